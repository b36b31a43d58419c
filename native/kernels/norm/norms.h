// norm(residual + dropout(x)) and norm(x) of rows, forward and backward in one pass over each row: the two operators
// below dropoutAddNorm.cpp and rowNorm.cpp.
#pragma once

#include <tuple>

#include "operands.h"

namespace bidora {

// [N, H] each; stats [N, 2]: mean and 1 / √(variance + ε).
using NormedRows = std::tuple<at::Tensor /* out */, at::Tensor /* sum */, at::Tensor /* stats */>;

// bidora::_norm. x, residual [N, H]. Without a residual nothing is dropped, and the sum is undefined.
NormedRows normedRowsCpu(const at::Tensor& x, const std::optional<at::Tensor>& residual, const at::Tensor& weight,
                         const std::optional<at::Tensor>& bias, double epsilon, bool isCentred, double p, int64_t seed,
                         int64_t stream);
NormedRows normedRowsMeta(const at::Tensor& x, const std::optional<at::Tensor>& residual, const at::Tensor& weight,
                          const std::optional<at::Tensor>& bias, double epsilon, bool isCentred, double p, int64_t seed,
                          int64_t stream);

// bidora::_norm_backward. From the gradients of the normalised rows and of the sums, which may be missing, those of x
// and of the sums: one tensor for both where nothing is dropped. sum: what was normalised.
std::tuple<at::Tensor, at::Tensor> normedRowsBackwardCpu(const at::Tensor& gradient,
                                                         const std::optional<at::Tensor>& toSum, const at::Tensor& sum,
                                                         const at::Tensor& stats, const at::Tensor& weight,
                                                         bool isCentred, double p, int64_t seed, int64_t stream);

}  // namespace bidora
