// y = x·Wᵀ + b, computed by frozenProduct.h, and the gradient of x. Each is the other's derivative, so both have
// derivatives of any order. Shapes: x [N, in], W [out, in], b [out].
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/common/differentiable.h"
#include "kernels/packed/packedWeight.h"
#include "kernels/products/frozenProduct.h"
#include "kernels/products/functions.h"
#include "operands.h"

namespace bidora::linear {
namespace {

using at::Tensor;

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
  return !packed && !packedMatrix(weight) && !hasOwnProduct(weight, false);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLinear(x, weight, bias, packed);
  if (x.is_meta()) return emptyProduct(x, weight.size(0));
  if (isForLibrary(weight, packed)) return at::linear(x, weight, bias);
  return rowByRow(x, weight.size(0), [&](const Tensor& rows) {
    return frozenProduct(rows, {weight, orNone(packed)}, {}, {{}, orNone(bias)});
  });
}

Tensor inputGradient(const Tensor& gradient, const Tensor& weight) {
  checkInputGradient(gradient, weight);
  if (gradient.is_meta()) return emptyProduct(gradient, weight.size(1));
  return rowByRow(gradient, weight.size(1), [&](const Tensor& rows) { return transposedProduct(rows, weight); });
}

// x·Wᵀ + b, or x·W if transposed.
struct Linear {
  struct Saved {
    Tensor x, weight;
    bool isTransposed;
    std::vector<Tensor*> tensors() { return {&x, &weight}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed,
                                        bool isTransposed) {
    return {isTransposed ? callKernel<inputGradient>("bidora::linear_input_gradient", x, weight)
                         : callKernel<linear>("bidora::linear", x, weight, bias, packed),
            {weight.requires_grad() ? x : Tensor(), weight, isTransposed}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs& needs) {
    const auto& [x, weight, isTransposed] = saved;
    const Tensor& gradient = gradients[0];
    Tensor ofX, ofWeight, ofBias;
    if (needs[0]) ofX = differentiated<Linear>(gradient, weight, Maybe(), Maybe(), !isTransposed);
    if (needs[1]) ofWeight = isTransposed ? at::mm(x.t(), gradient) : at::mm(gradient.t(), x);
    if (needs[2]) ofBias = at::sum(gradient, 0);
    return {ofX, ofWeight, ofBias};
  }
};

Tensor linearAutograd(const Tensor& x, const Tensor& weight, const Maybe& bias, const Maybe& packed) {
  checkLinear(x, weight, bias, packed);
  OneDevice(x, weight, bias);  // libtorch's linear does not check this on Meta
  if (isForLibrary(weight, packed)) return at::linear(x, weight, bias);
  return rowByRow(x, weight.size(0),
                  [&](const Tensor& rows) { return differentiated<Linear>(rows, weight, bias, packed, false); });
}

Tensor inputGradientAutograd(const Tensor& gradient, const Tensor& weight) {
  checkInputGradient(gradient, weight);
  return rowByRow(gradient, weight.size(1),
                  [&](const Tensor& rows) { return differentiated<Linear>(rows, weight, Maybe(), Maybe(), true); });
}

Maybe biasOf(at::TensorList biases, size_t i) { return biases.empty() ? Maybe() : Maybe(biases[i]); }

void checkLinears(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(), "expected a bias for each weight, or none, got ",
              biases.size(), " for ", weights.size());
  for (size_t i = 0; i < weights.size(); ++i) checkLinear(x, weights[i], biasOf(biases, i), std::nullopt);
}

// The products of several layers with the same input. For few rows they are computed together: each alone would finish
// before the threads wake up for it.
std::vector<Tensor> linears(const Tensor& x, at::TensorList weights, at::TensorList biases) {
  checkLinears(x, weights, biases);
  if (!x.is_meta() && x.dim() == 2 && x.size(0) <= kFewRows &&
      std::all_of(weights.begin(), weights.end(), [](const Tensor& weight) { return hasOwnProduct(weight, false); }))
    return fewRowsProducts(x, weights, biases);
  std::vector<Tensor> results;
  results.reserve(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) results.push_back(linear(x, weights[i], biasOf(biases, i), std::nullopt));
  return results;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::linear", [](OperatorLibrary& library) {
  library.define<linear, linearAutograd>(
      "linear(Tensor input, Tensor weight, Tensor? bias=None, *, Tensor? packed=None) -> Tensor");
  library.define<linears, NoDerivative::refuse>("linears(Tensor input, Tensor[] weights, Tensor[] biases) -> Tensor[]");
  library.define<inputGradient, inputGradientAutograd>(
      "linear_input_gradient(Tensor gradient, Tensor weight) -> Tensor");
});

}  // namespace
}  // namespace bidora::linear
