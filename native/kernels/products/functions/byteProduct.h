// A product with a matrix of int8 rows by AMX whose left operand is rounded to int8 as well, row by row. Sums of bytes
// are exact, so that a row's bits do not depend on the number of rows.
#pragma once

#include "roundRow.h"
#include "tiledProduct.h"

#ifdef BIDORA_AMX
namespace bidora::BIDORA_VARIANT {

#define BIDORA_AMX_BYTES [[gnu::target("amx-tile,amx-bf16,amx-int8")]]

constexpr int64_t kBytesOfWord = 4, kBytesOfLine = kTile * kBytesOfWord;

// Rows begin … end − 1 of x; those beyond the last are 0. If W is transposed, its scales multiply x.
inline void roundRows(const FrozenProduct<Bfloat16>& call, const RoundedRows& to, int64_t begin, int64_t end) {
  Buffer<float> buffer;
  float* numbers = buffer.need(call.depth);
  for (int64_t row = begin; row < end; ++row) {
    int8_t* codes = to.codes + row * to.stride;
    std::memset(codes, 0, to.stride);
    if (row >= call.rows) continue;
    const Bfloat16* from = call.x.data + row * call.x.stride;
    for (int64_t k = 0; k < call.depth; ++k) numbers[k] = wide(from[k]);
    if (call.isTransposed)
      for (int64_t k = 0; k < call.depth; ++k) numbers[k] *= call.packed->scales[k];
    roundRow<127>(numbers, call.depth, codes, to.scales[row]);
  }
}

// Four rows of 64 bytes become a line of four tiles each.
[[gnu::always_inline]] inline void interleave(const __m512i (&rows)[4], uint32_t* to, int64_t stride) {
  const __m512i a = _mm512_unpacklo_epi8(rows[0], rows[1]), b = _mm512_unpackhi_epi8(rows[0], rows[1]),
                c = _mm512_unpacklo_epi8(rows[2], rows[3]), d = _mm512_unpackhi_epi8(rows[2], rows[3]);
  // Quarter q of word vector v holds columns 16q + 4v … 16q + 4v + 3.
  const __m512i words[] = {_mm512_unpacklo_epi16(a, c), _mm512_unpackhi_epi16(a, c), _mm512_unpacklo_epi16(b, d),
                           _mm512_unpackhi_epi16(b, d)};
  const __m512i low[] = {_mm512_shuffle_i32x4(words[0], words[1], 0x44),
                         _mm512_shuffle_i32x4(words[2], words[3], 0x44)},
                high[] = {_mm512_shuffle_i32x4(words[0], words[1], 0xee),
                          _mm512_shuffle_i32x4(words[2], words[3], 0xee)};
  _mm512_storeu_si512(to, _mm512_shuffle_i32x4(low[0], low[1], 0x88));
  _mm512_storeu_si512(to + stride, _mm512_shuffle_i32x4(low[0], low[1], 0xdd));
  _mm512_storeu_si512(to + 2 * stride, _mm512_shuffle_i32x4(high[0], high[1], 0x88));
  _mm512_storeu_si512(to + 3 * stride, _mm512_shuffle_i32x4(high[0], high[1], 0xdd));
}

// Tiles of a group of columns, as ColumnTiles with four bytes a word. `first` is a multiple of kPanel, and there is
// room for whole panels.
class ByteTiles {
 public:
  void pack(const PackedMatrix& matrix, bool isTransposed, int64_t first, int64_t count) {
    const int64_t depth = isTransposed ? matrix.rows : matrix.columns;
    steps = (depth + kBytesOfLine - 1) / kBytesOfLine;
    stride = steps * kWordsOfTile + kTile;
    words_ = buffer_.need(roundUp(count, kPanel) / kTile * stride);
    if (isTransposed) packRows(matrix, first, count);
    else packColumns(matrix, first, count);
  }

  const uint32_t* at(int64_t column) const { return words_ + column / kTile * stride; }

  int64_t steps = 0, stride = 0;

 private:
  // [columns, depth], of which the depth fills whole lines
  void packColumns(const PackedMatrix& matrix, int64_t first, int64_t count) {
    for (int64_t c = 0; c < count; c += kTile) {
      uint32_t* to = words_ + c / kTile * stride;
      for (int64_t d = 0; d < steps; ++d) {
        Line lines[kTileSide] = {};
        for (int64_t i = 0; i < lesser(kTile, count - c); ++i)
          std::memcpy(&lines[i], matrix.codes + (first + c + i) * matrix.columns + d * kBytesOfLine, sizeof(Line));
        transposeLines(lines);
        std::memcpy(to + d * kWordsOfTile, lines, sizeof lines);
      }
    }
  }

  // [depth, columns]
  void packRows(const PackedMatrix& matrix, int64_t first, int64_t count) {
    const auto row = [&](int64_t d, int64_t c) {
      const int64_t left = d < matrix.rows ? lesser(count - c, kPanel) : 0;
      const __mmask64 mask = left == kPanel ? ~0ULL : (1ULL << left) - 1;
      return _mm512_maskz_loadu_epi8(mask, matrix.codes + lesser(d, matrix.rows - 1) * matrix.columns + first + c);
    };
    for (int64_t step = 0; step < steps; ++step)
      for (int64_t c = 0; c < count; c += kPanel)
        for (int64_t i = 0; i < kTile; ++i) {
          const int64_t d = step * kBytesOfLine + i * kBytesOfWord;
          __builtin_prefetch(matrix.codes + (d + kBytesOfLine) * matrix.columns + first + c);
          const __m512i rows[] = {row(d, c), row(d + 1, c), row(d + 2, c), row(d + 3, c)};
          interleave(rows, words_ + c / kTile * stride + step * kWordsOfTile + i * kTile, stride);
        }
  }

  uint32_t* words_ = nullptr;
  Buffer<uint32_t> buffer_;
};

// sums [32, 32] of up to 32 rows and columns
BIDORA_AMX_BYTES inline void multiplyBytes(const int8_t* x, int64_t rowBytes, bool hasTwoRows, const ByteTiles& columns,
                                           int64_t column, bool hasTwoColumns, int32_t* sums) {
  const uint32_t* b = columns.at(column);
  memoryBarrier();
  clearSums();
  for (int64_t i = 0; i < columns.steps; ++i, x += kBytesOfLine, b += kWordsOfTile) {
    _tile_loadd(4, x, rowBytes);
    _tile_loadd(6, b, kBytesOfLine);
    _tile_dpbssd(0, 4, 6);
    if (hasTwoColumns) {
      _tile_loadd(7, b + columns.stride, kBytesOfLine);
      _tile_dpbssd(1, 4, 7);
    }
    if (hasTwoRows) {
      _tile_loadd(5, x + kTile * rowBytes, rowBytes);
      _tile_dpbssd(2, 5, 6);
      if (hasTwoColumns) _tile_dpbssd(3, 5, 7);
    }
  }
  storeSums<true, true>(reinterpret_cast<float*>(sums));
  memoryBarrier();
}

class ByteProduct {
 public:
  // As TiledProduct's.
  void run(const FrozenProduct<Bfloat16>& call, const RoundedRows& x, int64_t rowsOfChunk, int64_t begin, int64_t end) {
    forEachGroup(call, rowsOfChunk, panelsOfGroup(call.depth / kBytesOfWord), begin, end,
                 [&](int64_t row, int64_t last, int64_t column, int64_t columns) {
                   multiplyColumns(call, x, row, last, column, columns);
                 });
  }

 private:
  void multiplyColumns(const FrozenProduct<Bfloat16>& call, const RoundedRows& x, int64_t row, int64_t end,
                       int64_t column, int64_t columns) {
    weight_.pack(*call.packed, call.isTransposed, column, columns);
    const Group group{
        {},     columnTiles({call.factor, nullptr, 0, call.isTransposed}, call.rank / 2, column, columns, factor_),
        column, columns,
        true,   true};
    for (int64_t r = row; r < end; r += kTwoTiles) {
      const int64_t rows = lesser(kTwoTiles, end - r);
      const LeftOperands left{
          {}, group.factor.steps > 0 ? rowTiles(call.low, r, rows, call.rank / 2, low_) : RowTiles{}, rows};
      for (int64_t c = 0; c < columns; c += kTwoTiles) {
        alignas(64) int32_t sums[kSumsOfBlock];
        alignas(64) float result[kSumsOfBlock];
        multiplyBytes(x.codes + r * x.stride, x.stride, rows > kTile, weight_, c, columns - c > kTile, sums);
        multiplyBlock(left, group, c, result);
        addScaled(call, sums, x.scales + r, rows, column + c, result);
        finishTile(call, result, rows, kTwoTiles, r, column + c);
      }
    }
  }

  static void addScaled(const FrozenProduct<Bfloat16>& call, const int32_t* sums, const float* scales, int64_t rows,
                        int64_t column, float* result) {
    alignas(64) float ofColumn[kTwoTiles];
    for (int64_t c = 0; c < kTwoTiles; ++c)
      ofColumn[c] = call.isTransposed || column + c >= call.columns ? 1 : call.packed->scales[column + c];
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < kTwoTiles; ++c)
        result[i * kTwoTiles + c] += static_cast<float>(sums[i * kTwoTiles + c]) * (scales[i] * ofColumn[c]);
  }

  const TileSetting setting_{true};
  ByteTiles weight_;
  Buffer<Pair> factor_, low_;
};

inline void byteProduct(const FrozenProduct<Bfloat16>& call, const RoundedRows& x, int64_t rowsOfChunk, int64_t begin,
                        int64_t end) {
  ByteProduct().run(call, x, rowsOfChunk, begin, end);
}

}  // namespace bidora::BIDORA_VARIANT
#endif
