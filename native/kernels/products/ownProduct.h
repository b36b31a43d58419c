// Products of our own functions; frozenProduct.h chooses between them and a library's.
#pragma once

#include "frozenProduct.h"

namespace bidora {

// scale·x·Wᵀ, or if transposed scale·x·W, with the low-rank term and the epilogue.
at::Tensor ownProduct(const at::Tensor& x, const at::Tensor& weight, bool isTransposed, const LowRankTerm& lowRank,
                      const Epilogue& epilogue, double scale);

// Whether the product with a matrix adds up whole numbers.
bool isIntegerProduct(const at::Tensor& x, const at::Tensor& weight);

}  // namespace bidora
