// Products with frozen weights, forward and for the input's gradient. Nothing else multiplies by a frozen weight.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace bidora {

// A low-rank term added to a product, low·Fᵀ with low [N, r]. F has the weight's layout: [columns, r], or if transposed
// [r, columns].
struct LowRankTerm {
  at::Tensor low, factor;
};

// Applied to the sums: ∘ gain, then + bias. Each may be undefined; the gain is in the accumulation type.
struct Epilogue {
  at::Tensor gain, bias;
};

// A weight [out, in] and, if there is one, its copy in oneDNN's packed layout.
struct FrozenWeight {
  at::Tensor plain, packed;
};

// Throws unless a packed copy has the weight's shape and dtype.
void checkPacked(const std::optional<at::Tensor>& packed, const at::Tensor& weight);

// Whether we have our own products for this type on the CPU. They fuse the low-rank term and the gain, and need no
// packed copy of the weight.
bool hasOwnProducts(at::ScalarType type);
// Whether our own products, x·Wᵀ or x·W, apply to this matrix; an odd depth does not fit pairs of bfloat16.
bool hasOwnProduct(const at::Tensor& matrix, bool isTransposed);

// x·Wᵀ with the low-rank term and the epilogue: [N, out].
at::Tensor frozenProduct(const at::Tensor& x, const FrozenWeight& weight, const LowRankTerm& lowRank = {},
                         const Epilogue& epilogue = {});
// x·Wᵀ + b for several weights that our own products apply to, where x has few rows: [N, out] each. Either all have a
// bias or none.
std::vector<at::Tensor> fewRowsProducts(const at::Tensor& x, at::TensorList weights, at::TensorList biases);
// x·W, the gradient of the input: [N, in].
at::Tensor transposedProduct(const at::Tensor& x, const at::Tensor& weight, const LowRankTerm& lowRank = {});

// Whether there are products that round their left operand to int8.
bool hasByteProducts();

// Whether products of bfloat16 with packed weights can round its rows to int16 and add up whole numbers. This is closer
// to the exact result than other products, with other bits, and faster for up to 8 to 16 rows.
bool hasIntegerProducts();
// Whether this thread's products do so. Returns the former setting, which is false at first.
bool setIntegerProducts(bool areAllowed);

// y = b + (y − b)·g in place, for a bias b that y includes.
void applyGain(const at::Tensor& y, const Epilogue& epilogue);

// scale·x·Fᵀ for F [r, in], or if transposed scale·x·F for F [out, r]: [N, r].
at::Tensor thinProduct(const at::Tensor& x, const at::Tensor& factor, bool isTransposed, double scale);

// leftᵀ·right, [r, columns]; in the accumulation type if the product is our own.
at::Tensor outerProduct(const at::Tensor& left, const at::Tensor& right);

}  // namespace bidora
