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
  // [words, rows], the words filled up with zeros to whole lines.
  static void arrange(const Rows<const Bfloat16>& from, int64_t rows, int64_t words, Pair* to) {
    alignas(kVectorBytes) Pair square[kTile * kTile];
    for (int64_t d = 0; d < words; d += kTile) {
      packLines<Bfloat16>([&](int64_t row) { return from.data + row * from.stride + 2 * d; }, rows,
                          lesser(kTile, words - d), kTile, square);
      if (rows > 1) transposeLines(square, kTile * 4, square, kTile);
      for (int64_t word = 0; word < kTile; ++word, to += rows)
        std::memcpy(static_cast<void*>(to), rows > 1 ? square + word * kTile : square + word, rows * sizeof(Pair));
    }
  }
  static int64_t width(int64_t rows) { return rows; }
  // The sums and x have a column for each row of x.
  static TileShapes tiles(int64_t rows) {
    TileShapes shapes;
    shapes.bytes[0] = shapes.bytes[6] = static_cast<uint16_t>(4 * rows);
    return shapes;
  }

  // sums [16 rows of M, 16] += M·xᵀ
  BIDORA_AMX static void addRows(const Pair* x, int64_t rows, const Together& from, Upcoming upcoming, int64_t words,
                                 float* sums) {
    memoryBarrier();
    _tile_loadd(0, sums, kTile * 4);
    int64_t d = 0;
    for (; d + kLineWords <= words; d += kLineWords) {
      upcoming.prefetch();
      _tile_loadd(4, from.first + d * 4, from.rowBytes);
      _tile_loadd(6, x + d * rows, rows * 4);
      _tile_dpbf16ps(0, 4, 6);
    }
    if (d < words) addLineOf(x + d * rows, rows, from, d, words - d);
    _tile_stored(0, sums, kTile * 4);
    memoryBarrier();
  }
  BIDORA_AMX static void addRows(const Pair* x, int64_t rows, const Fewer& from, const Upcoming&, int64_t words,
                                 float* sums) {
    memoryBarrier();
    _tile_loadd(0, sums, kTile * 4);
    for (int64_t d = 0; d < words; d += kLineWords)
      addLineOf(x + d * rows, rows, from, d, lesser(kLineWords, words - d));
    _tile_stored(0, sums, kTile * 4);
    memoryBarrier();
  }

  // [16 rows of M, 16] → [16, 16 rows of M]
  static void finish(float* sums) { transposeLines(sums, kTile * 4, sums, kTile); }

 private:
  // A copy of a line of each row, padded with zeros.
  template <typename Lines>
  BIDORA_AMX static void addLineOf(const Pair* x, int64_t rows, const Lines& from, int64_t d, int64_t count) {
    alignas(64) Pair line[kTile * kLineWords] = {};
    for (int i = 0; i < kTile; ++i)
      std::memcpy(static_cast<void*>(line + i * kLineWords), from.row(i) + d * 4, count * sizeof(Pair));
    memoryBarrier();
    _tile_loadd(4, line, kTile * 4);
    _tile_loadd(6, x, rows * 4);
    _tile_dpbf16ps(0, 4, 6);
    memoryBarrier();
  }
};

#endif

}  // namespace bidora::BIDORA_VARIANT
