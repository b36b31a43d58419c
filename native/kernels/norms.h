// Rows of norm(residual + dropout(x)) or of norm(x), forward and back, one pass over each row.
#pragma once

#include <utility>

#include "normOperands.h"

namespace bidora {

// [N, H] each; stats [N, 2]: mean and 1 / √(variance + ε).
struct NormedRows {
  at::Tensor out, sum, stats;
};

// x, residual [N, H]. Without a residual, which is not defined then, nothing is dropped and there is no sum; a bias may
// be missing likewise.
NormedRows normedRows(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight, const at::Tensor& bias,
                      const NormSettings& settings);

// From the gradients of the normalised rows and of the sums, which may be none, those of x and of the sums; one tensor
// for both where nothing is dropped. sum: what was normalised.
std::pair<at::Tensor, at::Tensor> normedRowsBackward(const at::Tensor& gradient, const at::Tensor& toSum,
                                                     const at::Tensor& sum, const at::Tensor& stats,
                                                     const at::Tensor& weight, const NormSettings& settings);

}  // namespace bidora
