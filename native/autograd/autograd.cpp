// Automatic differentiation: grad mode, requires_grad, backward and grad.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "bridge/environment.h"
#include "bridge/exports.h"
#include "bridge/guard.h"

namespace bidora {
namespace {

bool flagAt(const Napi::CallbackInfo& info, size_t index) { return info[index].ToBoolean().Value(); }

// (outputs, gradOutputs, retainGraph, createGraph)
void backward(const Napi::CallbackInfo& info) {
  torch::autograd::backward(tensorsAt(info, 0), tensorsAt(info, 1, true), flagAt(info, 2), flagAt(info, 3));
}

// (outputs, inputs, gradOutputs, retainGraph, createGraph, allowUnused) => (handle | null)[]
Napi::Value grad(const Napi::CallbackInfo& info) {
  return newTensors(info.Env(), torch::autograd::grad(tensorsAt(info, 0), tensorsAt(info, 1), tensorsAt(info, 2, true),
                                                      flagAt(info, 3), flagAt(info, 4), flagAt(info, 5)));
}

// (enabled) => the previous state
bool setGradEnabled(const Napi::CallbackInfo& info) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(flagAt(info, 0));
  return before;
}

void setRequiresGrad(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorAt(info, 0);
  const bool on = flagAt(info, 1);
  if (!on && !tensor.is_leaf())
    throw std::invalid_argument("only a leaf can stop requiring a gradient: detach() this tensor.");
  tensor.set_requires_grad(on);
}

bool requiresGrad(const Napi::CallbackInfo& info) { return tensorAt(info, 0).requires_grad(); }

Napi::Value gradient(const Napi::CallbackInfo& info) {
  const at::Tensor& value = tensorAt(info, 0).grad();
  return value.defined() ? newTensor(info.Env(), value) : info.Env().Null();
}

// (handle, gradient handle or null)
void setGradient(const Napi::CallbackInfo& info) {
  at::Tensor value;
  if (info[1].IsNumber()) value = tensorAt(info, 1);
  tensorAt(info, 0).mutable_grad() = value;
}

// How often the tensor was changed in place.
double version(const Napi::CallbackInfo& info) { return static_cast<double>(tensorAt(info, 0)._version()); }

}  // namespace

void exportAutograd(Napi::Object exports) {
  defineFunction<backward>(exports, "backward");
  defineFunction<grad>(exports, "grad");
  defineFunction<setGradEnabled>(exports, "setGradEnabled");
  defineFunction<setRequiresGrad>(exports, "setRequiresGrad");
  defineFunction<requiresGrad>(exports, "requiresGrad");
  defineFunction<gradient>(exports, "gradient");
  defineFunction<setGradient>(exports, "setGradient");
  defineFunction<version>(exports, "version");
}

}  // namespace bidora
