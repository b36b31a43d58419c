// The contribution of consecutive tiles of a symmetric matrix to products with it; see lowRankGram.cpp.
#include "functions.h"
#include "kernels/simd/numbers.h"
#include "kernels/simd/tiles.h"

namespace bidora::BIDORA_VARIANT {

template <typename T>
void addTile(const GramPass<T>& pass, const T* tile, int64_t i0, int64_t j0, const GramSums<T>& sums) {
  constexpr int64_t kVectors = kTile / kLanes<T>;
  const bool isDiagonal = i0 == j0;
  Vector<T> down[kVectors] = {};
  for (int64_t i = 0; i < kTile; ++i) {
    Vector<T> across{};
    for (int64_t v = 0; v < kVectors; ++v) {
      const Vector<T> g = load(tile + i * kTile + v * kLanes<T>), square = g * g;
      down[v] += square * pass.w[i0 + i];
      across += square * load(pass.w + j0 + v * kLanes<T>);
    }
    if (!isDiagonal) sums.squares[i0 + i] += sumOf<T>(across);
  }
  for (int64_t v = 0; v < kVectors; ++v) {
    T* to = sums.squares + j0 + v * kLanes<T>;
    store(to, load(to) + down[v]);
  }
  product(Left<T>{pass.rows + i0, pass.size, 1}, tile, kTile, sums.rows + j0, pass.size, pass.width, kTile, kTile,
          true);
  if (isDiagonal) return;
  product(Left<T>{tile, kTile, 1}, pass.columns + j0 * pass.width, pass.width, sums.columns + i0 * pass.width,
          pass.width, kTile, pass.width, kTile, true);
}

template <typename T, typename Sum = SumOf<T>>
void addTiles(const GramPass<Sum>& pass, const T* tiles, int64_t first, int64_t last, const GramSums<Sum>& sums) {
  const int64_t blocks = pass.size / kTile;
  Sum scratch[kTile * kTile];
  int64_t index = 0;
  for (int64_t i = 0; i < blocks && index < last; ++i)
    for (int64_t j = i; j < blocks && index < last; ++j, ++index)
      if (index >= first)
        addTile(pass, widen(tiles + index * kTile * kTile, kTile * kTile, scratch), i * kTile, j * kTile, sums);
}

BIDORA_DEFINE_TABLE(GramFunctions, .gram = addTiles<T>)

}  // namespace bidora::BIDORA_VARIANT
