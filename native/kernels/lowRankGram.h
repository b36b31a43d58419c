// What BiDoRA's regulariser needs of a symmetric matrix that is kept in tiles; see lowRankGram.cpp.
#pragma once

#include <ATen/core/Tensor.h>

namespace bidora {

// (G∘G)·w [in], p·G and q·G [r, in]
struct GramProducts {
  at::Tensor squares, p, q;
};

// Of tiles [tiles, 64, 64], the diagonal and w [in], p and q [r, in]. The sums of so many parts of the tiles are kept
// apart, whatever the number of threads: as many may work on it.
GramProducts multiplyGram(const at::Tensor& tiles, const at::Tensor& diagonal, const at::Tensor& w, const at::Tensor& p,
                          const at::Tensor& q, int64_t chunks);

}  // namespace bidora
