// The kernel of each ISA variant for products with a symmetric matrix in tiles, and its arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// The left operands by rows and by columns, and the sums: sums[k][j] = Σ_i left[k][i]·G[i][j], separately over the
// tiles and the transposed tiles, and squares[j] = Σ_i G[i][j]²·w[i].
template <typename Sum>
struct GramPass {
  int64_t size, width;  // padded
  const Sum *w, *rows /* width, size */, *columns /* size, width */;
};
template <typename Sum>
struct GramSums {
  Sum *squares, *rows, *columns;
};
constexpr int64_t kTile = 64;

template <typename T>
struct GramFunctions {
  using Sum = SumOf<T>;

  // Adds the contribution of tiles first … last − 1.
  void (*gram)(const GramPass<Sum>& pass, const T* tiles, int64_t first, int64_t last, const GramSums<Sum>& sums);
};
BIDORA_FUNCTIONS(GramFunctions)

}  // namespace bidora
