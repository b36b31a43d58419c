// Frozen weights in a quantization format, as tensors: one has the matrix's shape, a dtype, to which its values are
// rounded, and no elements in memory. Products take it like a dense weight; libtorch's own operators decode it.
#pragma once

#include <ATen/core/Tensor.h>

#include "functions.h"

namespace bidora {

// The matrix of a packed weight, which the tensor keeps alive; null for any other tensor.
const PackedMatrix* packedMatrix(const at::Tensor& weight);

// Throws unless it is a packed or a dense weight.
void checkWeight(const at::Tensor& weight);

// The values of `count` rows or columns from `first` on: a view of a dense weight, or a packed weight's decoded.
at::Tensor denseRows(const at::Tensor& weight, int64_t first, int64_t count);
at::Tensor denseColumns(const at::Tensor& weight, int64_t first, int64_t count);
// The values of a weight.
at::Tensor denseWeight(const at::Tensor& weight);

}  // namespace bidora
