// Products of bfloat16 with the processor's matrix unit (Intel AMX). A tile has 16 rows of 64 bytes: 16 rows of x with
// 16 words each, 16 words of depth for 16 columns of the panel, or 16×16 sums. Sums have the same order for any number
// of rows: a tile's worth of the depth after the other.
#pragma once

#include "fewRows.h"
#include "kernels/products/functions.h"
#include "kernels/simd/tileSetting.h"
#include "panels.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS
constexpr int64_t kTile = 16;  // rows, columns or words of a tile
constexpr int64_t kTwoTiles = 2 * kTile;
#endif

#ifdef BIDORA_AMX

// Few rows of x: rows of the matrix are a left operand as they are in memory, and x is the right one. The same products
// are added in the same order as if it were the other way round.
struct ByTiles {
  // What packLines has packed for 16 rows, with rows across lanes: [lines, words, rows].
  static void arrange(Pair* x, int64_t words) {
    for (int64_t d = 0; d < words; d += kLineWords) {
      const int64_t bytes = kLineWords * static_cast<int64_t>(sizeof(Pair));
      transposeLines(x + d * kTile, bytes, x + d * kTile, kTile);
    }
  }

  // sums [16 rows of M, 16] += M·xᵀ
  BIDORA_AMX static void addRows(const Pair* x, int64_t, const Together& from, int64_t ahead, int64_t words,
                                 float* sums) {
    memoryBarrier();
    _tile_loadd(0, sums, kTile * 4);
    int64_t d = 0;
    for (; d + kLineWords <= words; d += kLineWords) {
      if (ahead > 0)
#pragma GCC unroll 16
        for (int i = 0; i < kRowsTogether; ++i) __builtin_prefetch(from.row(i) + d * 4 + ahead, 0, 2);
      _tile_loadd(4, from.first + d * 4, from.rowBytes);
      _tile_loadd(6, x + d * kTile, kTile * 4);
      _tile_dpbf16ps(0, 4, 6);
    }
    if (d < words) addLineOf(x + d * kTile, from, d, words - d);
    _tile_stored(0, sums, kTile * 4);
    memoryBarrier();
  }
  BIDORA_AMX static void addRows(const Pair* x, int64_t, const Fewer& from, int64_t, int64_t words, float* sums) {
    memoryBarrier();
    _tile_loadd(0, sums, kTile * 4);
    for (int64_t d = 0; d < words; d += kLineWords) addLineOf(x + d * kTile, from, d, lesser(kLineWords, words - d));
    _tile_stored(0, sums, kTile * 4);
    memoryBarrier();
  }

  // [16 rows of M, 16] → [16, 16 rows of M]
  static void finish(float* sums) { transposeLines(sums, kTile * 4, sums, kTile); }

 private:
  // A copy of a line of each row, padded with zeros.
  template <typename Lines>
  BIDORA_AMX static void addLineOf(const Pair* x, const Lines& from, int64_t d, int64_t count) {
    alignas(64) Pair line[kTile * kLineWords] = {};
    for (int i = 0; i < kTile; ++i)
      std::memcpy(static_cast<void*>(line + i * kLineWords), from.row(i) + d * 4, count * sizeof(Pair));
    memoryBarrier();
    _tile_loadd(4, line, kTile * 4);
    _tile_loadd(6, x, kTile * 4);
    _tile_dpbf16ps(0, 4, 6);
    memoryBarrier();
  }
};

#endif

}  // namespace bidora::BIDORA_VARIANT
