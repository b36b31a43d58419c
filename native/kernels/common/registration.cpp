#include "registration.h"

#include <ATen/core/grad_mode.h>

#include <string_view>

namespace bidora {
namespace {

bool requiresGradient(const c10::IValue& value) {
  if (value.isTensor()) return value.toTensor().defined() && value.toTensor().requires_grad();
  if (!value.isTensorList()) return false;
  for (const at::Tensor& tensor : value.toTensorVector())
    if (tensor.defined() && tensor.requires_grad()) return true;
  return false;
}

void refuseGradients(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  if (at::GradMode::is_enabled())
    for (const c10::IValue& argument : torch::jit::last(*stack, op.schema().arguments().size()))
      TORCH_CHECK(!requiresGradient(argument), op.schema().name(),
                  " has no derivative: call it with tensors that require no gradient, or within noGrad.");
  op.redispatchBoxed(keys & c10::after_autograd_keyset, stack);
}

// libtorch's key for calls without a tensor to select a backend by.
void selectBackend(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  const c10::DispatchKeySet left =
      keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, c10::DispatchKey::BackendSelect);
  op.redispatchBoxed(left.empty() ? c10::DispatchKeySet(c10::DispatchKey::CPU) : left, stack);
}

}  // namespace

void OneDevice::check(const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  if (!device_) device_ = tensor.device();
  TORCH_CHECK(tensor.device() == *device_, "expected all tensors on the same device, got some on ", *device_,
              " and some on ", tensor.device());
}
void OneDevice::check(const Maybe& tensor) {
  if (tensor) check(*tensor);
}
void OneDevice::check(at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) check(tensor);
}

std::string OperatorLibrary::declare(const char* schema) {
  library_.def(schema);
  const std::string_view text(schema);
  return std::string(text.substr(0, text.find('(')));
}

void OperatorLibrary::add(const std::string& name, c10::DispatchKey key, torch::CppFunction kernel) {
  library_.impl(name.c_str(), torch::dispatch(key, std::move(kernel)));
}

void OperatorLibrary::addAutograd(const std::string& name, NoDerivative gradients) {
  add(name, c10::DispatchKey::Autograd,
      gradients == NoDerivative::refuse ? torch::CppFunction::makeFromBoxedFunction<&refuseGradients>()
                                        : torch::CppFunction::makeFallthrough());
}

void OperatorLibrary::allowEmptyLists(const char* name) {
  add(name, c10::DispatchKey::BackendSelect, torch::CppFunction::makeFromBoxedFunction<&selectBackend>());
}

bool defineOnce(const char* firstName, void (*define)(OperatorLibrary&)) {
  if (c10::Dispatcher::singleton().findSchema({firstName, ""})) return false;
  // Never destroyed: worker threads may call the operators until the process ends.
  OperatorLibrary library(*new torch::Library(torch::Library::FRAGMENT, "bidora", std::nullopt, __FILE__, __LINE__));
  define(library);
  return true;
}

}  // namespace bidora
