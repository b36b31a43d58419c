// y = x·Wᵀ + b by the product of frozenProduct.h. Its gradient is a product of the same kind, so that it has
// derivatives of any order. Shapes: x [N, in], W [out, in], b [out].
#include <ATen/core/Tensor.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

#include "frozenProduct.h"
#include "layerOperands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

// [..., n] → [N, n]
Tensor inRows(const Tensor& x) { return x.dim() == 1 ? x.unsqueeze(0) : x.flatten(0, -2); }

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        const Maybe& packed, bool isTurned) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    context->saved_data["turned"] = isTurned;
    context->saved_data["bias"] = bias.has_value();
    if (isTurned) return turnedProduct(x, weight);
    return frozenProduct(x, {weight, orNone(packed)}, {}, {{}, orNone(bias)});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &gradient = gradients[0];
    const bool isTurned = context->saved_data["turned"].toBool(), hasBias = context->saved_data["bias"].toBool();
    Tensor ofX, ofWeight, ofBias;
    if (context->needs_input_grad(0)) ofX = apply(gradient, weight, Maybe(), Maybe(), !isTurned);
    if (context->needs_input_grad(1)) ofWeight = isTurned ? at::mm(x.t(), gradient) : at::mm(gradient.t(), x);
    if (hasBias && context->needs_input_grad(2)) ofBias = at::sum(gradient, 0);
    return {ofX, ofWeight, ofBias, Tensor(), Tensor()};
  }
};

Tensor linear(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLayer(x, weight, bias);
  TORCH_CHECK(isOfOutputs(bias, weight), "expected a bias of [", weight.size(0), "]");
  checkPacked(packed, weight);
  if (!hasOwnProduct(weight) && !packed) return at::linear(x, weight, bias);
  if (x.dim() == 2) return LinearFunction::apply(x, weight, bias, packed, false);
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return LinearFunction::apply(inRows(x), weight, bias, packed, false).reshape(sizes);
}

// The products of several layers with one input. Of few rows they are made together: each would be over before threads
// have come together for it. Not where gradients are recorded.
std::vector<Tensor> linears(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "expected a bias for each weight, or none, got ",
              biases.size(), " for ", weights.size());
  const auto biasOf = [&](size_t i) { return biases.empty() ? Maybe() : Maybe(biases[i]); };
  bool isTogether = x.dim() == 2 && x.size(0) <= kFewRows;
  for (size_t i = 0; i < weights.size(); ++i) {
    checkLayer(x, weights[i], biasOf(i));
    TORCH_CHECK(isOfOutputs(biasOf(i), weights[i]), "expected a bias of [", weights[i].size(0), "]");
    refuseGradients("bidora::linears", {x, weights[i], orNone(biasOf(i))});
    isTogether = isTogether && hasOwnProduct(weights[i]);
  }
  if (isTogether) return fewRowsProducts(x, weights, biases);
  std::vector<Tensor> results;
  results.reserve(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) results.push_back(linear(x, weights[i], biasOf(i), std::nullopt));
  return results;
}

// ∇y·W, the gradient of the input, where no derivative is asked for.
Tensor inputGradient(const Tensor& gradient, const Tensor& weight) {
  checkOperands({&gradient, &weight});
  TORCH_CHECK(weight.dim() == 2 && gradient.dim() >= 1 && gradient.size(-1) == weight.size(0) &&
                  gradient.scalar_type() == weight.scalar_type(),
              "expected a gradient of [N, out] in the dtype of a weight of [out, in], got ", gradient.sizes(), " and ",
              weight.sizes());
  const at::AutoDispatchBelowADInplaceOrView below;
  auto sizes = gradient.sizes().vec();
  sizes.back() = weight.size(1);
  return turnedProduct(inRows(gradient), weight).reshape(sizes);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::linear", [](torch::Library& library) {
  library.def("linear(Tensor input, Tensor weight, Tensor? bias=None, *, Tensor? packed=None) -> Tensor", linear);
  library.def("linears(Tensor input, Tensor[] weights, Tensor[] biases) -> Tensor[]", linears);
  library.def("linear_input_gradient(Tensor gradient, Tensor weight) -> Tensor", inputGradient);
});

}  // namespace
}  // namespace bidora
