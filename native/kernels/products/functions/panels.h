// Packs the right operand of a large product into panels for tiles.h: [words of depth, width], with the width a
// multiple of `kWidth`, so that a tile reads it sequentially.
#pragma once

#ifdef BIDORA_OWN_PRODUCTS
#include "kernels/attention/functions/packing.h"

namespace bidora::BIDORA_VARIANT {

template <typename T>
using WordOf = typename Arithmetic<T>::Word;

#ifdef __AVX512F__
using Line = __m512i;  // a register of words

// Rows of as many words become columns. Faster than exchanges.
[[gnu::always_inline]] inline void transposeLines(__m512i (&a)[16]) {
  __m512i b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  // Quarter q of a[4g + j] holds column 4q + j of rows 4g … 4g + 3.
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    b[j] = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    b[4 + j] = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
    b[8 + j] = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
    b[12 + j] = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    a[j] = _mm512_shuffle_i32x4(b[j], b[8 + j], 0x88);
    a[8 + j] = _mm512_shuffle_i32x4(b[j], b[8 + j], 0xdd);
    a[4 + j] = _mm512_shuffle_i32x4(b[4 + j], b[12 + j], 0x88);
    a[12 + j] = _mm512_shuffle_i32x4(b[4 + j], b[12 + j], 0xdd);
  }
}

#else
using Line = FourBytes;

[[gnu::always_inline]] inline void transposeLines(Line (&lines)[kTileSide]) { transposeRows(lines); }
#endif

[[gnu::always_inline]] inline void transposeLines(const void* from, int64_t rowBytes, void* to, int64_t wordsOfRow) {
  Line lines[kTileSide];
#pragma GCC unroll 16
  for (int i = 0; i < kTileSide; ++i)
    std::memcpy(&lines[i], static_cast<const char*>(from) + i * rowBytes, sizeof(Line));
  transposeLines(lines);
#pragma GCC unroll 16
  for (int i = 0; i < kTileSide; ++i) std::memcpy(static_cast<uint32_t*>(to) + i * wordsOfRow, &lines[i], sizeof(Line));
}

template <typename T>
[[gnu::always_inline]] inline Left<WordOf<T>> leftAt(const Rows<const T>& rows, int64_t row) {
  return {reinterpret_cast<const WordOf<T>*>(rows.data + row * rows.stride), rows.stride / Arithmetic<T>::kPerWord, 1};
}

// The word with an element and, if words hold two, with its neighbor.
template <typename T>
[[gnu::always_inline]] inline WordOf<T> wordAt(const T* from) {
  WordOf<T> word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Columns first … first + count − 1 of a matrix stored as [columns, depth] → [words of depth, width].
template <typename T>
void packColumns(const Rows<const T>& matrix, int64_t words, int64_t first, int64_t count, int64_t width,
                 WordOf<T>* to) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  for (int64_t c = 0; c < count; c += kTileSide) {
    const T* from = matrix.data + (first + c) * matrix.stride;
    const int64_t columns = lesser(kTileSide, count - c);
    int64_t d = 0;
    if (columns == kTileSide)
      for (; d + kTileSide <= words; d += kTileSide)
        transposeLines(from + d * kPerWord, matrix.stride * static_cast<int64_t>(sizeof(T)), to + d * width + c, width);
    for (; d < words; ++d)
      for (int64_t lane = 0; lane < columns; ++lane)
        to[d * width + c + lane] = wordAt(from + lane * matrix.stride + d * kPerWord);
  }
}

[[gnu::always_inline]] inline void pairRows(const float* from, int64_t, float* to, int64_t count) {
  std::memcpy(to, from, count * sizeof(float));
}

// Lane 2i of the result is lane i of the kHalf-th half of a, and lane 2i + 1 is that of b.
template <int kHalf>
struct Paired {
  static constexpr int kCount = kLanes<uint16_t>;
  static constexpr int at(int place) { return place / 2 + kHalf * kCount / 2 + place % 2 * kCount; }
};

// Words that pair each number in `low` with the one in `high`.
[[gnu::always_inline]] inline void pairVectors(const Vector<uint16_t>& low, const Vector<uint16_t>& high,
                                               Vector<float> (&words)[2]) {
  words[0] = (Vector<float>)shuffled<Paired<0>, Paired<0>::kCount>(low, high);
  words[1] = (Vector<float>)shuffled<Paired<1>, Paired<1>::kCount>(low, high);
}

// Pairs of numbers in the same column of two rows.
[[gnu::always_inline]] inline void pairRows(const Bfloat16* from, int64_t stride, Pair* to, int64_t count) {
  constexpr int64_t kWords = kLanes<float>;
  for (int64_t c = 0; c < count; c += 2 * kWords) {
    const int64_t left = lesser(2 * kWords, count - c);
    Vector<float> words[2];
    pairVectors(loadFirst(&from[c].bits, left), loadFirst(&from[stride + c].bits, left), words);
    storeFirst(to + c, words[0], lesser(left, kWords));
    storeFirst(to + c + kWords, words[1], greater(left - kWords, 0));
  }
}

// The rows are too far apart for the processor's own prefetching.
constexpr int64_t kRowsAhead = 24;

template <typename T>
[[gnu::always_inline]] inline void prefetchRow(const T* row, int64_t count) {
  for (int64_t c = 0; c < count; c += 64 / static_cast<int64_t>(sizeof(T))) __builtin_prefetch(row + c);
}

// The same for a matrix stored as [depth, columns].
template <typename T>
void packTransposed(const Rows<const T>& matrix, int64_t words, int64_t first, int64_t count, int64_t width,
                    WordOf<T>* to) {
  const int64_t step = matrix.stride * Arithmetic<T>::kPerWord;
  for (int64_t d = 0; d < words; ++d) {
    const T* row = matrix.data + d * step + first;
    for (int64_t i = 0; i < Arithmetic<T>::kPerWord; ++i) prefetchRow(row + (kRowsAhead + i) * matrix.stride, count);
    pairRows(row, matrix.stride, to + d * width, count);
  }
}

template <typename Word>
void clearColumns(int64_t words, int64_t first, int64_t width, Word* panel) {
  if (first == width) return;
  for (int64_t d = 0; d < words; ++d)
    std::memset(static_cast<void*>(panel + d * width + first), 0, (width - first) * sizeof(Word));
}

// Columns beyond `count` are 0.
template <typename T>
void packPanel(const Rows<const T>& matrix, bool isTransposed, int64_t words, int64_t first, int64_t count,
               int64_t width, WordOf<T>* to) {
  if (isTransposed) packTransposed(matrix, words, first, count, width, to);
  else packColumns(matrix, words, first, count, width, to);
  clearColumns(words, count, width, to);
}

}  // namespace bidora::BIDORA_VARIANT
#endif
