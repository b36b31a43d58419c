// norm(residual + dropout(x)) and norm(x) of rows, forward and backward, in one pass over each row: the two operators
// that dropoutAddNorm.cpp and rowNorm.cpp are built on.
#pragma once

#include <tuple>

#include "operands.h"

namespace bidora {

// [N, H] each; stats [N, 2]: mean and 1 / √(variance + ε).
using NormedRows = std::tuple<at::Tensor /* out */, at::Tensor /* sum */, at::Tensor /* stats */>;

// bidora::_norm. x, residual: [N, H]. Without a residual there is no dropout, and the sum is undefined.
NormedRows normedRowsCpu(const at::Tensor& x, const std::optional<at::Tensor>& residual, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias, double epsilon, bool isCentered, double p, int64_t seed,
                         int64_t stream);
NormedRows normedRowsMeta(const at::Tensor& x, const std::optional<at::Tensor>& residual, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, double epsilon, bool isCentered, double p,
                          int64_t seed, int64_t stream);

// bidora::_norm_backward. Computes the gradients of x and of the residual from those of the normalized rows and of the
// sums, which may be missing; without dropout, both are the same tensor. sum: the normalization's input.
std::tuple<at::Tensor, at::Tensor> normedRowsBackwardCpu(const at::Tensor& gradient,
                                                         const std::optional<at::Tensor>& toSum, const at::Tensor& sum,
                                                         const at::Tensor& stats, const at::Tensor& weight,
                                                         bool isCentered, double p, int64_t seed, int64_t stream);

}  // namespace bidora
