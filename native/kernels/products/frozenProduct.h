// The one place that multiplies by a frozen weight, forward and for the gradient of the input.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace bidora {

// What is added to a product, low·Fᵀ with low [N, r]. F is laid out as the weight: [columns, r], or transposed [r,
// columns].
struct FurtherDepth {
  at::Tensor low, factor;
};

// What is done with the sums: ∘ gain, then + bias. Each may be undefined; the gain has the type of the sums.
struct Finish {
  at::Tensor gain, bias;
};

// A weight [out, in], and where there is one its copy in oneDNN's own layout.
struct FrozenWeight {
  at::Tensor plain, packed;
};

// Throws unless a packed copy has the weight's shape and dtype.
void checkPacked(const std::optional<at::Tensor>& packed, const at::Tensor& weight);

// Whether products of numbers of this type on the CPU are our own: they include low ranks and the gain, and need no
// packed copy of the weight.
bool hasOwnProducts(at::ScalarType type);
// Whether products with this matrix are: odd sizes do not fit pairs of bfloat16 numbers.
bool hasOwnProduct(const at::Tensor& matrix);

// x·Wᵀ with what is added: [N, out].
at::Tensor frozenProduct(const at::Tensor& x, const FrozenWeight& weight, const FurtherDepth& further = {},
                         const Finish& finish = {});
// x·Wᵀ + b for each of several weights whose products are our own, where x has few rows: [N, out] each. Biases for all,
// or none.
std::vector<at::Tensor> fewRowsProducts(const at::Tensor& x, at::TensorList weights, at::TensorList biases);
// x·W: [N, in], the gradient of the input.
at::Tensor transposedProduct(const at::Tensor& x, const at::Tensor& weight, const FurtherDepth& further = {});

// y = b + (y − b)·g in place, for a bias b within y.
void applyGain(const at::Tensor& y, const Finish& finish);

// scale·x·Fᵀ for F [r, in], or transposed scale·x·F for F [out, r]: [N, r].
at::Tensor thinProduct(const at::Tensor& x, const at::Tensor& factor, bool isTransposed, double scale);

// leftᵀ·right, [r, columns]; in the type of the sums where the product is our own.
at::Tensor outerProduct(const at::Tensor& left, const at::Tensor& right);

}  // namespace bidora
