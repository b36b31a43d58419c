// Products of attention's blocks: of bfloat16 by the processor's matrix unit (Intel AMX) if it has one, otherwise in
// registers. A processor with the matrix unit multiplies pairs of bfloat16 in registers more slowly than floats.
#pragma once

#include "kernels/common/processor.h"
#include "kernels/simd/tileSetting.h"
#include "kernels/simd/tiles.h"

namespace bidora::BIDORA_VARIANT {

template <typename Storage>
[[gnu::always_inline]] inline bool usesTiles() {
#ifdef BIDORA_AMX
  return std::is_same_v<Storage, Bfloat16> && hasTiles();
#else
  return false;
#endif
}

// 2×2 tiles of sums, and of either operand a whole tile and one of half the depth.
constexpr TileShapes kAttentionTiles{.bytes = {64, 64, 64, 64, 64, 64, 32, 64},
                                     .rows = {16, 16, 16, 16, 16, 16, 16, 8}};

// What rows of a left operand are padded to.
template <typename Storage>
int64_t roundUpRows(int64_t rows) {
  return roundUp(rows, usesTiles<Storage>() ? 16 : 4);
}

// The words of a depth of `numbers` elements, padded.
template <typename Storage>
int64_t depthOf(int64_t numbers) {
  constexpr int64_t kPerWord = Arithmetic<Storage>::kPerWord;
  return roundUp((numbers + kPerWord - 1) / kPerWord, usesTiles<Storage>() ? 8 : 1);
}

#ifdef BIDORA_AMX
// One or two tiles of sums in each direction; the depth is a multiple of 8 words.
template <bool kBelow, bool kBeside>
BIDORA_AMX void addTiles(const Left<Pair>& a, const Pair* b, int64_t bStride, float* c, int64_t cStride, int64_t depth,
                         bool accumulate) {
  const Pair* below = a.data + kWidth * a.rowStride;
  float* sumsBelow = c + kWidth * cStride;
  const int64_t aBytes = a.rowStride * 4, bBytes = bStride * 4, cBytes = cStride * 4;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  if (accumulate) {
    _tile_loadd(0, c, cBytes);
    if constexpr (kBeside) _tile_loadd(1, c + kWidth, cBytes);
    if constexpr (kBelow) _tile_loadd(2, sumsBelow, cBytes);
    if constexpr (kBelow && kBeside) _tile_loadd(3, sumsBelow + kWidth, cBytes);
  }
  int64_t d = 0;
  for (; d + kWidth <= depth; d += kWidth, b += kWidth * bStride) {
    _tile_loadd(4, a.data + d, aBytes);
    _tile_loadd(5, b, bBytes);
    _tile_dpbf16ps(0, 4, 5);
    if constexpr (kBelow) {
      _tile_loadd(4, below + d, aBytes);
      _tile_dpbf16ps(2, 4, 5);
    }
    if constexpr (kBeside) _tile_loadd(5, b + kWidth, bBytes);
    if constexpr (kBelow && kBeside) _tile_dpbf16ps(3, 4, 5);
    if constexpr (kBelow && kBeside) _tile_loadd(4, a.data + d, aBytes);
    if constexpr (kBeside) _tile_dpbf16ps(1, 4, 5);
  }
  if (d < depth) {
    _tile_loadd(6, a.data + d, aBytes);
    _tile_loadd(7, b, bBytes);
    _tile_dpbf16ps(0, 6, 7);
    if constexpr (kBelow) {
      _tile_loadd(6, below + d, aBytes);
      _tile_dpbf16ps(2, 6, 7);
    }
    if constexpr (kBeside) _tile_loadd(7, b + kWidth, bBytes);
    if constexpr (kBelow && kBeside) _tile_dpbf16ps(3, 6, 7);
    if constexpr (kBelow && kBeside) _tile_loadd(6, a.data + d, aBytes);
    if constexpr (kBeside) _tile_dpbf16ps(1, 6, 7);
  }
  _tile_stored(0, c, cBytes);
  if constexpr (kBeside) _tile_stored(1, c + kWidth, cBytes);
  if constexpr (kBelow) _tile_stored(2, sumsBelow, cBytes);
  if constexpr (kBelow && kBeside) _tile_stored(3, sumsBelow + kWidth, cBytes);
}

// `a` has its depth along its rows.
BIDORA_AMX inline void multiplyTiles(const Left<Pair>& a, const Pair* b, int64_t bStride, float* c, int64_t cStride,
                                     int64_t rows, int64_t columns, int64_t depth, bool accumulate) {
  memoryBarrier();
  for (int64_t m = 0; m < rows; m += 2 * kWidth) {
    const Left<Pair> left{a.data + m * a.rowStride, a.rowStride, 1};
    for (int64_t n = 0; n < columns; n += 2 * kWidth) {
      const auto add = [&](auto tiles) {
        tiles(left, b + n, bStride, c + m * cStride + n, cStride, depth, accumulate);
      };
      const bool hasBelow = rows - m > kWidth, hasBeside = columns - n > kWidth;
      if (hasBelow && hasBeside) add(addTiles<true, true>);
      else if (hasBelow) add(addTiles<true, false>);
      else if (hasBeside) add(addTiles<false, true>);
      else add(addTiles<false, false>);
    }
  }
  memoryBarrier();
}
#endif

// Like `product`, with rows and depth padded as above.
template <typename Word, typename Sum>
void multiply(const Left<Word>& a, const Word* b, int64_t bStride, Sum* c, int64_t cStride, int64_t rows,
              int64_t columns, int64_t depth, bool accumulate) {
#ifdef BIDORA_AMX
  if constexpr (std::is_same_v<Word, Pair>)
    if (hasTiles()) return multiplyTiles(a, b, bStride, c, cStride, rows, columns, depth, accumulate);
#endif
  product(a, b, bStride, c, cStride, rows, columns, depth, accumulate);
}

}  // namespace bidora::BIDORA_VARIANT
