// y = x·Wᵀ + b, computed by frozenProduct.h, and the gradient of x. Each is the other's derivative, so both have
// derivatives of any order. Shapes: x [N, in], W [out, in], b [out].
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/common/registration.h"
#include "kernels/packed/packedWeight.h"
#include "kernels/products/frozenProduct.h"
#include "kernels/products/functions.h"
#include "operands.h"

namespace bidora::linear {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

// [..., n] → [N, n]
Tensor inRows(const Tensor& x) { return x.dim() == 1 ? x.unsqueeze(0) : x.flatten(0, -2); }

// Applies a product of [N, n] rows to x of [..., n].
template <typename Product>
Tensor rowByRow(const Tensor& x, int64_t columns, Product product) {
  if (x.dim() == 2) return product(x);
  auto sizes = x.sizes().vec();
  sizes.back() = columns;
  return product(inRows(x)).reshape(sizes);
}

Tensor emptyProduct(const Tensor& x, int64_t columns) {
  auto sizes = x.sizes().vec();
  sizes.back() = columns;
  return at::empty(sizes, x.options());
}

void checkLinear(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLayer(x, weight, bias);
  TORCH_CHECK(isOfOutputs(bias, weight), "expected a bias of [", weight.size(0), "]");
  checkPacked(packed, weight);
}

void checkInputGradient(const Tensor& gradient, const Tensor& weight) {
  checkOperand(gradient);
  checkWeight(weight);
  TORCH_CHECK(weight.dim() == 2 && gradient.dim() >= 1 && gradient.size(-1) == weight.size(0) &&
                  gradient.scalar_type() == weight.scalar_type(),
              "expected a gradient of [N, out] in the dtype of a weight of [out, in], got ", gradient.sizes(), " and ",
              weight.sizes());
}

bool isForLibrary(const Tensor& weight, const Maybe& packed) {
  return !packed && !packedMatrix(weight) && !hasOwnProduct(weight);
}

Tensor linearCpu(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLinear(x, weight, bias, packed);
  if (isForLibrary(weight, packed)) return at::linear(x, weight, bias);
  return rowByRow(x, weight.size(0), [&](const Tensor& rows) {
    return frozenProduct(rows, {weight, orNone(packed)}, {}, {{}, orNone(bias)});
  });
}

Tensor linearMeta(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLinear(x, weight, bias, packed);
  return emptyProduct(x, weight.size(0));
}

Tensor inputGradientCpu(const Tensor& gradient, const Tensor& weight) {
  checkInputGradient(gradient, weight);
  return rowByRow(gradient, weight.size(1), [&](const Tensor& rows) { return transposedProduct(rows, weight); });
}

Tensor inputGradientMeta(const Tensor& gradient, const Tensor& weight) {
  checkInputGradient(gradient, weight);
  return emptyProduct(gradient, weight.size(1));
}

// x·Wᵀ + b, or x·W if transposed.
struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        const Maybe& packed, bool isTransposed) {
    context->save_for_backward({weight.requires_grad() ? x : Tensor(), weight});
    context->saved_data["transposed"] = isTransposed;
    context->saved_data["bias"] = bias.has_value();
    if (isTransposed) return callKernel<inputGradientCpu>("bidora::linear_input_gradient", x, weight);
    return callKernel<linearCpu>("bidora::linear", x, weight, bias, packed);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &gradient = gradients[0];
    const bool isTransposed = context->saved_data["transposed"].toBool(),
               hasBias = context->saved_data["bias"].toBool();
    Tensor ofX, ofWeight, ofBias;
    if (context->needs_input_grad(0)) ofX = apply(gradient, weight, Maybe(), Maybe(), !isTransposed);
    if (context->needs_input_grad(1)) ofWeight = isTransposed ? at::mm(x.t(), gradient) : at::mm(gradient.t(), x);
    if (hasBias && context->needs_input_grad(2)) ofBias = at::sum(gradient, 0);
    return {ofX, ofWeight, ofBias, Tensor(), Tensor()};
  }
};

Tensor linearAutograd(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLinear(x, weight, bias, packed);
  OneDevice(x, weight, bias);  // libtorch's linear does not check this on Meta
  if (isForLibrary(weight, packed)) return at::linear(x, weight, bias);
  return rowByRow(x, weight.size(0),
                  [&](const Tensor& rows) { return LinearFunction::apply(rows, weight, bias, packed, false); });
}

Tensor inputGradientAutograd(const Tensor& gradient, const Tensor& weight) {
  checkInputGradient(gradient, weight);
  return rowByRow(gradient, weight.size(1),
                  [&](const Tensor& rows) { return LinearFunction::apply(rows, weight, Maybe(), Maybe(), true); });
}

Maybe biasOf(at::TensorList biases, size_t i) { return biases.empty() ? Maybe() : Maybe(biases[i]); }

void checkLinears(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "expected a bias for each weight, or none, got ",
              biases.size(), " for ", weights.size());
  for (size_t i = 0; i < weights.size(); ++i) checkLinear(x, weights[i], biasOf(biases, i), std::nullopt);
}

// The products of several layers with the same input. For few rows they are computed together: each alone would finish
// before the threads wake up for it.
std::vector<Tensor> linearsCpu(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  checkLinears(x, weights, biases);
  if (x.dim() == 2 && x.size(0) <= kFewRows && std::all_of(weights.begin(), weights.end(), hasOwnProduct))
    return fewRowsProducts(x, weights, biases);
  std::vector<Tensor> results;
  results.reserve(weights.size());
  for (size_t i = 0; i < weights.size(); ++i)
    results.push_back(linearCpu(x, weights[i], biasOf(biases, i), std::nullopt));
  return results;
}

std::vector<Tensor> linearsMeta(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  checkLinears(x, weights, biases);
  std::vector<Tensor> results;
  results.reserve(weights.size());
  for (const Tensor& weight : weights) results.push_back(emptyProduct(x, weight.size(0)));
  return results;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::linear", [](OperatorLibrary& library) {
  library.define<linearCpu, linearMeta, linearAutograd>(
      "linear(Tensor input, Tensor weight, Tensor? bias=None, *, Tensor? packed=None) -> Tensor");
  library.define<linearsCpu, linearsMeta, NoDerivative::refuse>(
      "linears(Tensor input, Tensor[] weights, Tensor[] biases) -> Tensor[]");
  library.define<inputGradientCpu, inputGradientMeta, inputGradientAutograd>(
      "linear_input_gradient(Tensor gradient, Tensor weight) -> Tensor");
});

}  // namespace
}  // namespace bidora::linear
