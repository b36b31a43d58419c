// Thin products with a frozen weight W of [out, in], each in one pass over it.
#pragma once

#include <ATen/core/Tensor.h>

namespace bidora {

// W·Aᵀ: [out, r] in the dtype of A, [r, in], which is contiguous.
at::Tensor weightTimesTransposed(const at::Tensor& weight, const at::Tensor& a);

// Xᵀ·W: [r, in] in the dtype of X, [out, r], which is contiguous.
at::Tensor transposedTimesWeight(const at::Tensor& x, const at::Tensor& weight);

}  // namespace bidora
