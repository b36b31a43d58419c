// Packs operands of the small products: copies a head's strided elements [length, size] into the layouts of tiles.h.
#pragma once

#include "kernels/simd/buffer.h"
#include "kernels/simd/numbers.h"
#include "kernels/simd/transpose.h"
#include "multiply.h"

namespace bidora::BIDORA_VARIANT {

// One head of one row: token i's elements are at data[i·stride …].
template <typename T>
struct Strided {
  T* data;
  int64_t stride;

  [[gnu::always_inline]] T* row(int64_t i) const { return data + i * stride; }
};

// The number of words that hold `numbers` elements.
template <typename Storage>
[[gnu::always_inline]] constexpr int64_t wordsOf(int64_t numbers) {
  return (numbers + Arithmetic<Storage>::kPerWord - 1) / Arithmetic<Storage>::kPerWord;
}

// The contiguous words of a row; `words` times kPerWord may exceed `size`, and the rest is 0.
template <typename Storage>
void packRow(const Storage* from, int64_t size, int64_t words, typename Arithmetic<Storage>::Word* to) {
  using A = Arithmetic<Storage>;
  if constexpr (A::kPerWord == 1) {
    for (int64_t d = 0; d < size; ++d) to[d] = wide(from[d]);
    for (int64_t d = size; d < words; ++d) to[d] = 0;
  } else {
    const int64_t whole = size / 2;
    for (int64_t d = 0; d < whole; ++d) std::memcpy(&to[d].bits, from + 2 * d, sizeof(Pair));
    for (int64_t d = whole; d < words; ++d) to[d].bits = 2 * d < size ? from[2 * d].bits : 0;
  }
}

// Prefetches the next head's elements, which follow a token's in memory, while this head is computed.
template <typename Storage>
[[gnu::always_inline]] inline void fetchNextHead(const Storage* token, int64_t size) {
  for (int64_t d = 0; d < size; d += 64 / static_cast<int64_t>(sizeof(Storage))) __builtin_prefetch(token + size + d);
}

// → [padded, words]; rows from `length` on are 0.
template <typename Storage>
typename Arithmetic<Storage>::Word* packRows(Strided<const Storage> from, int64_t length, int64_t padded, int64_t size,
                                             int64_t words, Buffer<typename Arithmetic<Storage>::Word>& buffer) {
  auto* to = buffer.need(padded * words);
  for (int64_t i = 0; i < length; ++i) {
    fetchNextHead(from.row(i), size);
    packRow(from.row(i), size, words, to + i * words);
  }
  std::memset(static_cast<void*>(to + length * words), 0, (padded - length) * words * sizeof(*to));
  return to;
}

// Whether tokens can be read as words in place.
template <typename Storage>
bool isInWords(Strided<const Storage> x, int64_t size) {
  using A = Arithmetic<Storage>;
  if constexpr (A::kPerWord * sizeof(Storage) != sizeof(typename A::Word)) return false;
  return size % A::kPerWord == 0 && x.stride % A::kPerWord == 0 &&
         reinterpret_cast<uintptr_t>(x.data) % sizeof(typename A::Word) == 0;
}

// Tokens `start` … `start + count - 1` as a left operand of `padded` rows: in place, or copied.
template <typename Storage>
Left<typename Arithmetic<Storage>::Word> leftTokens(Strided<const Storage> x, int64_t start, int64_t count,
                                                    int64_t padded, int64_t size,
                                                    Buffer<typename Arithmetic<Storage>::Word>& buffer) {
  using A = Arithmetic<Storage>;
  const Strided<const Storage> from{x.row(start), x.stride};
  const int64_t words = depthOf<Storage>(size);
  if (count == padded && isInWords(from, size) && words == wordsOf<Storage>(size)) {
    for (int64_t i = 0; i < count; ++i) fetchNextHead(from.row(i), size);
    return {reinterpret_cast<const typename A::Word*>(from.data), from.stride / A::kPerWord, 1};
  }
  return {packRows(from, count, padded, size, words, buffer), words, 1};
}

// Tokens across lanes: → [words, padded], 0 where there is no token. Tokens that do not fill a tile are copied first.
template <typename Storage>
typename Arithmetic<Storage>::Word* packColumns(Strided<const Storage> from, int64_t length, int64_t padded,
                                                int64_t size, Buffer<typename Arithmetic<Storage>::Word>& rows,
                                                Buffer<typename Arithmetic<Storage>::Word>& columns) {
  using A = Arithmetic<Storage>;
  using Word = typename A::Word;
  const int64_t words = depthOf<Storage>(size);
  const bool isInPlace = isInWords(from, size) && words == wordsOf<Storage>(size);
  const int64_t whole = isInPlace ? length / kWidth * kWidth : 0;
  Word* to = columns.need(padded * words);
  for (int64_t i = 0; i < whole; ++i) fetchNextHead(from.row(i), size);
  transpose(reinterpret_cast<const Word*>(from.data), from.stride / A::kPerWord, whole, words, to, padded);
  if (whole == padded) return to;
  const Strided<const Storage> rest{from.row(whole), from.stride};
  transpose(packRows(rest, length - whole, padded - whole, size, words, rows), words, padded - whole, words, to + whole,
            padded);
  return to;
}

// A token's elements across lanes: → [padded / kPerWord, width]; a word holds elements of adjacent tokens.
template <typename Storage>
typename Arithmetic<Storage>::Word* packTokens(Strided<const Storage> from, int64_t length, int64_t padded,
                                               int64_t size, int64_t width,
                                               Buffer<typename Arithmetic<Storage>::Word>& buffer) {
  using A = Arithmetic<Storage>;
  if constexpr (A::kPerWord == 1) return packRows(from, length, padded, size, width, buffer);
  auto* to = buffer.need(padded / A::kPerWord * width);
  std::memset(static_cast<void*>(to), 0, padded / A::kPerWord * width * sizeof(*to));
  if constexpr (A::kPerWord == 2) {
    for (int64_t i = 0; i < length; i += 2) {
      Pair* row = to + i / 2 * width;
      const Storage* first = from.row(i);
      const Storage* second = i + 1 < length ? from.row(i + 1) : nullptr;
      fetchNextHead(first, size);
      if (second) fetchNextHead(second, size);
      if (second)
        for (int64_t d = 0; d < size; ++d) row[d].bits = first[d].bits | static_cast<uint32_t>(second[d].bits) << 16;
      else
        for (int64_t d = 0; d < size; ++d) row[d].bits = first[d].bits;
    }
  }
  return to;
}

// [rows, width] sums as a left operand whose depth runs along each row.
template <typename Sum>
Left<Sum> alongRows(const Sum* from, int64_t rows, int64_t width, Buffer<Sum>&) {
  return {from, width, 1};
}

// The same with the depth running down the columns: the transposed matrix.
template <typename Sum>
Left<Sum> alongColumns(const Sum* from, int64_t rows, int64_t width, Buffer<Sum>&) {
  return {from, 1, width};
}

#ifdef BIDORA_BFLOAT16_PAIRS
inline Left<Pair> alongRows(const float* from, int64_t rows, int64_t width, Buffer<Pair>& buffer) {
  Pair* to = buffer.need(rows * width / 2);
  for (int64_t i = 0; i < rows * width; i += kLanes<float>)
    storeNumbers(reinterpret_cast<Bfloat16*>(to) + i, load(from + i));
  return {to, width / 2, 1};
}

// 16 pairs of elements of adjacent rows, [2, stride].
[[gnu::always_inline]] inline Vector<uint32_t> roundedPairs(const float* from, int64_t stride) {
  const auto rounded = [](const float* row) {
    return __builtin_convertvector(roundedNumbers(load(row)), Vector<uint32_t>);
  };
  return rounded(from) | rounded(from + stride) << 16;
}

#ifdef BIDORA_AMX
// Tiles are loaded with the depth along rows: [width, words], padded to whole lines.
inline Left<Pair> transposedPairs(const float* from, int64_t rows, int64_t width, Buffer<Pair>& buffer) {
  const int64_t words = rows / 2, stride = roundUp(words, kWidth);
  Pair* to = buffer.need(width * stride);
  for (int64_t j = 0; j < width; j += kWidth) {
    for (int64_t d = 0; d < words; d += kWidth) {
      FourBytes lines[kTileSide] = {};
#pragma GCC unroll 16
      for (int k = 0; k < kTileSide; ++k)
        if (d + k < words) lines[k] = (FourBytes)roundedPairs(from + 2 * (d + k) * width + j, width);
      transposeRows(lines);
#pragma GCC unroll 16
      for (int k = 0; k < kTileSide; ++k)
        std::memcpy(static_cast<void*>(to + (j + k) * stride + d), &lines[k], sizeof(FourBytes));
    }
  }
  return {to, stride, 1};
}
#endif

inline Left<Pair> alongColumns(const float* from, int64_t rows, int64_t width, Buffer<Pair>& buffer) {
#ifdef BIDORA_AMX
  if (hasTiles()) return transposedPairs(from, rows, width, buffer);
#endif
  Pair* to = buffer.need(rows / 2 * width);
  for (int64_t i = 0; i < rows; i += 2)
    for (int64_t j = 0; j < width; j += kLanes<float>)
      store(to + i / 2 * width + j, roundedPairs(from + i * width + j, width));
  return {to, 1, width};
}
#endif

}  // namespace bidora::BIDORA_VARIANT
