// The products with a symmetric matrix in tiles that BiDoRA's regularizer needs; see lowRankGram.cpp.
#pragma once

#include <ATen/core/Tensor.h>

namespace bidora {

// (G∘G)·w [in], p·G and q·G [r, in]
struct GramProducts {
  at::Tensor squares, p, q;
};

// tiles: [tiles, 64, 64]; diagonal, w: [in]; p, q: [r, in]. The tiles are summed in `chunks` parts, whatever the number
// of threads; at most that many threads can work on them.
GramProducts multiplyGram(const at::Tensor& tiles, const at::Tensor& diagonal, const at::Tensor& w, const at::Tensor& p,
                          const at::Tensor& q, int64_t chunks);

}  // namespace bidora
