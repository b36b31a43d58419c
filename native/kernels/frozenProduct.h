// The one place that multiplies by a frozen weight, forward and for the gradient of the input.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace bidora {

// What is added to a product, (low·Fᵀ) with low [N, r]: F lies as the weight does, [columns, r], or turned [r,
// columns].
struct FurtherDepth {
  at::Tensor low, factor;
};

// What becomes of the sums: ∘ gain, then + bias. Undefined where there is none; the gain is of the type of the sums.
struct Finish {
  at::Tensor gain, bias;
};

// A weight [out, in], and where there is one its copy in oneDNN's own layout.
struct FrozenWeight {
  at::Tensor plain, packed;
};

// Throws where a packed copy is none of such a weight.
void checkPacked(const std::optional<at::Tensor>& packed, const at::Tensor& weight);

// Whether products of numbers of this type are this project's own: they take low ranks and gain along, and need no
// packed copy of the weight.
bool hasOwnProducts(at::ScalarType type);
// Whether products with a matrix are: odd sizes do not fit pairs of narrow numbers.
bool hasOwnProduct(const at::Tensor& matrix);

// x·Wᵀ and what is added: [N, out].
at::Tensor frozenProduct(const at::Tensor& x, const FrozenWeight& weight, const FurtherDepth& further = {},
                         const Finish& finish = {});
// The same for several weights whose products are this project's own, without a gain or further depth, where x has few
// rows: x·Wᵀ + b of each, [N, out]. Biases of all, or of none.
std::vector<at::Tensor> fewRowsProducts(const at::Tensor& x, at::TensorList weights, at::TensorList biases);
// The same with W turned, x·W: [N, in], the gradient of the input.
at::Tensor turnedProduct(const at::Tensor& x, const at::Tensor& weight, const FurtherDepth& further = {});

// y = b + (y − b)·g in place, for a bias b within y.
void applyGain(const at::Tensor& y, const Finish& finish);

// scale·x·Fᵀ for F [r, in], or turned scale·x·F for F [out, r]: [N, r].
at::Tensor thinProduct(const at::Tensor& x, const at::Tensor& factor, bool isTurned, double scale);

// leftᵀ·right, [r, columns], in the type of sums where the product is our own.
at::Tensor outerProduct(const at::Tensor& left, const at::Tensor& right);

}  // namespace bidora
