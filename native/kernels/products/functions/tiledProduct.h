// A product with a frozen matrix by AMX. Groups of the matrix's columns are packed as tiles into the L2 cache and
// multiplied there with all rows of x, which are read in place; sums stay in tiles over the depth.
#pragma once

#include "amx.h"
#include "finishTile.h"
#include "packedPanels.h"

#ifdef BIDORA_AMX
namespace bidora::BIDORA_VARIANT {

constexpr int64_t kColumnsOfGroup = 256, kWordsOfGroup = 1 << 18, kDepthOfGroup = 2048;  // the depth in words
constexpr int64_t kWordsOfTile = kTile * kTile, kSumsOfBlock = kTwoTiles * kTwoTiles;

// Rows of a left operand, padded with zeros to whole tiles; in place if they are whole.
struct RowTiles {
  const Pair* words;
  int64_t stride;
};

inline RowTiles rowTiles(const Rows<const Bfloat16>& from, int64_t row, int64_t rows, int64_t words,
                         Buffer<Pair>& scratch) {
  const auto at = [&](int64_t i) { return from.data + (row + i) * from.stride; };
  if (rows % kTile == 0 && words % kTile == 0) return {reinterpret_cast<const Pair*>(at(0)), from.stride / 2};
  const int64_t width = roundUp(words, kTile), count = roundUp(rows, kTile) * width;
  Pair* to = scratch.need(count);
  std::memset(static_cast<void*>(to), 0, count * sizeof(Pair));
  for (int64_t i = 0; i < rows; ++i) std::memcpy(static_cast<void*>(to + i * width), at(i), words * sizeof(Pair));
  return {to, width};
}

// Columns of a right operand, [tiles, words of depth, 16], padded with zeros to whole tiles.
struct ColumnTiles {
  const Pair* words = nullptr;
  int64_t stride = 0, steps = 0;  // words between tiles, and tiles of the depth

  const Pair* at(int64_t column) const { return words + column / kTile * stride; }
};

struct RightOperand {
  Rows<const Bfloat16> matrix;
  const PackedMatrix* packed;
  int64_t firstDepth;  // of a packed matrix
  bool isTransposed;
};

// `words` pairs of rows become as many lines of two tiles.
inline void pairIntoTiles(const Rows<const Bfloat16>& rows, int64_t words, int64_t count, Pair* to, int64_t stride) {
  for (int64_t d = 0; d < words; ++d) {
    const Bfloat16 *row = rows.data + 2 * d * rows.stride, *below = row + rows.stride;
    Vector<float> pairs[2];
    pairVectors(loadFirst(&row->bits, count), loadFirst(&below->bits, count), pairs);
    store(reinterpret_cast<float*>(to + d * kTile), pairs[0]);
    if (count > kTile) store(reinterpret_cast<float*>(to + stride + d * kTile), pairs[1]);
  }
}

// From a matrix stored as [depth, columns].
inline void packRowsAsTiles(const RightOperand& from, int64_t words, int64_t first, int64_t count, Pair* to,
                            int64_t stride) {
  alignas(64) Bfloat16 decoded[kTwoTiles * kColumnsOfGroup];
  for (int64_t d = 0; d < words; d += kTile) {
    const int64_t some = lesser(kTile, words - d);
    Rows<const Bfloat16> rows{from.matrix.data + 2 * d * from.matrix.stride + first, from.matrix.stride};
    if (from.packed) rows = {decoded, kColumnsOfGroup};
    for (int64_t i = 0; i < 2 * some; ++i)
      if (from.packed) decode(*from.packed, from.firstDepth + 2 * d + i, first, count, decoded + i * kColumnsOfGroup);
      else prefetchRow(rows.data + (kTwoTiles + i) * rows.stride, count);
    for (int64_t c = 0; c < count; c += kTwoTiles)
      pairIntoTiles({rows.data + c, rows.stride}, some, lesser(kTwoTiles, count - c),
                    to + c / kTile * stride + d * kTile, stride);
  }
}

// From a matrix stored as [columns, depth].
inline void packColumnsAsTiles(const RightOperand& from, int64_t words, int64_t first, int64_t count, Pair* to,
                               int64_t stride) {
  for (int64_t c = 0; c < count; c += kTile) {
    const int64_t columns = lesser(kTile, count - c);
    Pair* tile = to + c / kTile * stride;
    if (from.packed)
      packDecodedColumns<Bfloat16>(*from.packed, from.firstDepth, words, first + c, columns, kTile, tile);
    else packColumns<Bfloat16>(from.matrix, words, first + c, columns, kTile, tile);
  }
}

inline ColumnTiles columnTiles(const RightOperand& from, int64_t words, int64_t first, int64_t count,
                               Buffer<Pair>& buffer) {
  if (words == 0) return {};
  const int64_t steps = roundUp(words, kTile) / kTile,
                stride = steps * kWordsOfTile + kTile,  // not all tiles in the same cache sets
      all = roundUp(count, kTile) / kTile * stride;
  Pair* to = buffer.need(all);
  if (words % kTile > 0 || count % kTile > 0) std::memset(static_cast<void*>(to), 0, all * sizeof(Pair));
  if (from.isTransposed) packRowsAsTiles(from, words, first, count, to, stride);
  else packColumnsAsTiles(from, words, first, count, to, stride);
  return {to, stride, steps};
}

// Adds x·columns to tiles 0 … 3, the sums of 32 or 16 rows and columns.
template <bool kHasTwoRows, bool kHasTwoColumns>
BIDORA_AMX [[gnu::always_inline]] inline void addSteps(const RowTiles& x, const ColumnTiles& columns, int64_t column) {
  const Pair *a = x.words, *b = columns.at(column);
  const int64_t rowBytes = x.stride * 4, lineBytes = kTile * 4;
  for (int64_t i = 0; i < columns.steps; ++i, a += kTile, b += kWordsOfTile) {
    _tile_loadd(4, a, rowBytes);
    _tile_loadd(6, b, lineBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kHasTwoColumns) {
      _tile_loadd(7, b + columns.stride, lineBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kHasTwoRows) {
      _tile_loadd(5, a + kTile * x.stride, rowBytes);
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kHasTwoColumns) _tile_dpbf16ps(3, 5, 7);
    }
  }
}

BIDORA_AMX [[gnu::always_inline]] inline void clearSums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

template <bool kHasTwoRows, bool kHasTwoColumns>
BIDORA_AMX [[gnu::always_inline]] inline void loadSums(const float* sums) {
  constexpr int64_t kBytes = kTwoTiles * 4;
  _tile_loadd(0, sums, kBytes);
  if constexpr (kHasTwoColumns) _tile_loadd(1, sums + kTile, kBytes);
  if constexpr (kHasTwoRows) _tile_loadd(2, sums + kTile * kTwoTiles, kBytes);
  if constexpr (kHasTwoRows && kHasTwoColumns) _tile_loadd(3, sums + kTile * kTwoTiles + kTile, kBytes);
}

template <bool kHasTwoRows, bool kHasTwoColumns>
BIDORA_AMX [[gnu::always_inline]] inline void storeSums(float* sums) {
  constexpr int64_t kBytes = kTwoTiles * 4;
  _tile_stored(0, sums, kBytes);
  if constexpr (kHasTwoColumns) _tile_stored(1, sums + kTile, kBytes);
  if constexpr (kHasTwoRows) _tile_stored(2, sums + kTile * kTwoTiles, kBytes);
  if constexpr (kHasTwoRows && kHasTwoColumns) _tile_stored(3, sums + kTile * kTwoTiles + kTile, kBytes);
}

// A block of rows of x and of the low-rank term.
struct LeftOperands {
  RowTiles x, low;
  int64_t rows;
};

// A group of columns of W and F, for a part of the depth.
struct Group {
  ColumnTiles weight, factor;
  int64_t column, columns;
  bool isFirst, isLast;  // whether it is the first or last part
};

// sums [32, 32] = or += x·W, then += low·F
template <bool kHasTwoRows, bool kHasTwoColumns>
BIDORA_AMX inline void multiplyBlock(const LeftOperands& left, const Group& group, int64_t column, float* sums) {
  memoryBarrier();
  if (group.isFirst) {
    clearSums();
  } else {
    loadSums<kHasTwoRows, kHasTwoColumns>(sums);
  }
  addSteps<kHasTwoRows, kHasTwoColumns>(left.x, group.weight, column);
  addSteps<kHasTwoRows, kHasTwoColumns>(left.low, group.factor, column);
  storeSums<kHasTwoRows, kHasTwoColumns>(sums);
  memoryBarrier();
}

BIDORA_AMX inline void multiplyBlock(const LeftOperands& left, const Group& group, int64_t column, float* sums) {
  const bool hasTwoRows = left.rows > kTile, hasTwoColumns = group.columns - column > kTile;
  if (hasTwoRows && hasTwoColumns) multiplyBlock<true, true>(left, group, column, sums);
  else if (hasTwoRows) multiplyBlock<true, false>(left, group, column, sums);
  else if (hasTwoColumns) multiplyBlock<false, true>(left, group, column, sums);
  else multiplyBlock<false, false>(left, group, column, sums);
}

// Panels of a group whose columns have so many words each.
inline int64_t panelsOfGroup(int64_t words) {
  return lesser(kColumnsOfGroup, greater(kWordsOfGroup / greater(words, 1), kPanel)) / kPanel;
}

// Tasks begin … end − 1 of frozenProduct as use(first row, last row, first column, columns): several panels if all rows
// are one chunk, or else several chunks of a panel.
template <typename Use>
void forEachGroup(const FrozenProduct<Bfloat16>& call, int64_t rowsOfChunk, int64_t panels, int64_t begin, int64_t end,
                  Use use) {
  const int64_t chunks = (call.rows + rowsOfChunk - 1) / rowsOfChunk;
  for (int64_t task = begin; task < end;) {
    const int64_t chunk = task % chunks, count = lesser(end - task, chunks == 1 ? panels : chunks - chunk),
                  column = task / chunks * kPanel, columns = chunks == 1 ? count * kPanel : kPanel,
                  row = chunk * rowsOfChunk, last = chunks == 1 ? call.rows : row + count * rowsOfChunk;
    use(row, lesser(last, call.rows), column, lesser(columns, call.columns - column));
    task += count;
  }
}

// A thread's memory and its setting of tiles.
class TiledProduct {
 public:
  void run(const FrozenProduct<Bfloat16>& call, int64_t rowsOfChunk, int64_t begin, int64_t end) {
    const int64_t words = call.depth / 2, parts = (words + kDepthOfGroup - 1) / kDepthOfGroup,
                  wordsOfPart = roundUp((words + parts - 1) / parts, kTile);
    forEachGroup(call, rowsOfChunk, panelsOfGroup(wordsOfPart), begin, end,
                 [&](int64_t row, int64_t last, int64_t column, int64_t columns) {
                   multiplyRows(call, row, last, column, columns, wordsOfPart);
                 });
  }

 private:
  void multiplyRows(const FrozenProduct<Bfloat16>& call, int64_t row, int64_t end, int64_t column, int64_t columns,
                    int64_t wordsOfPart) {
    const int64_t words = call.depth / 2, blocks = roundUp(columns, kTwoTiles) / kTwoTiles;
    const bool isWhole = wordsOfPart >= words;
    float* sums = sums_.need((isWhole ? 1 : roundUp(end - row, kTwoTiles) / kTwoTiles * blocks) * kSumsOfBlock);
    for (int64_t d = 0; d < words; d += wordsOfPart) {
      const FrozenProduct<Bfloat16> part = partOf(call, 2 * d, lesser(2 * wordsOfPart, call.depth - 2 * d));
      const Group group = pack(part, column, columns, d == 0, d + wordsOfPart >= words);
      for (int64_t r = row; r < end; r += kTwoTiles) {
        float* ofRows = sums + (isWhole ? 0 : (r - row) / kTwoTiles * blocks * kSumsOfBlock);
        multiplyGroup(part, group, r, lesser(kTwoTiles, end - r), ofRows, isWhole ? 0 : kSumsOfBlock);
      }
    }
  }

  Group pack(const FrozenProduct<Bfloat16>& part, int64_t column, int64_t columns, bool isFirst, bool isLast) {
    const RightOperand weight{part.weight, part.packed, part.firstDepth, part.isTransposed},
        factor{part.factor, nullptr, 0, part.isTransposed};
    return {columnTiles(weight, part.depth / 2, column, columns, weight_),
            columnTiles(factor, isLast ? part.rank / 2 : 0, column, columns, factor_),
            column,
            columns,
            isFirst,
            isLast};
  }

  BIDORA_AMX void multiplyGroup(const FrozenProduct<Bfloat16>& call, const Group& group, int64_t row, int64_t rows,
                                float* sums, int64_t sumsOfBlock) {
    const LeftOperands left{rowTiles(call.x, row, rows, call.depth / 2, x_),
                            group.factor.steps > 0 ? rowTiles(call.low, row, rows, call.rank / 2, low_) : RowTiles{},
                            rows};
    for (int64_t c = 0; c < group.columns; c += kTwoTiles, sums += sumsOfBlock) {
      multiplyBlock(left, group, c, sums);
      if (group.isLast) finishTile(call, sums, rows, kTwoTiles, row, group.column + c);
    }
  }

  const TileSetting setting_{true};
  Buffer<Pair> weight_, factor_, x_, low_;
  Buffer<float> sums_;
};

}  // namespace bidora::BIDORA_VARIANT
#endif
