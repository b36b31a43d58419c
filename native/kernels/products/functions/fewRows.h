// A product with a frozen matrix [columns, depth] for few rows, as in generation. The matrix is read once, one cache
// line at a time of as many rows as a vector has lanes, which are transposed in registers. Sums have the same order as
// in frozenProduct, so that a row's bits do not depend on the number of rows.
#pragma once

#include "kernels/common/processor.h"
#include "kernels/products/functions.h"
#include "kernels/simd/tileSetting.h"
#include "panels.h"
#include "prefetch.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS

constexpr int64_t kLineWords = 16;                // words per cache line
constexpr int64_t kRowsTogether = kLanes<float>;  // rows of the matrix at a time
constexpr int64_t kLinesAhead = 8;                // of the rows together to prefetch

// Rounds up to a row count that there is code for; added rows are 0.
[[gnu::always_inline]] inline int64_t paddedRows(int64_t rows) {
  return rows <= 2 ? rows : rows <= 4 ? 4 : rows <= 8 ? 8 : rows <= 12 ? 12 : 16;
}

// Packs the rows of a left operand, interleaved by cache lines: [lines, padded rows, kLineWords]. rowAt(i) points to
// row i's elements.
template <typename T, typename RowAt>
void packLines(RowAt rowAt, int64_t rows, int64_t words, int64_t padded, WordOf<T>* to) {
  std::memset(static_cast<void*>(to), 0, roundUp(words, kLineWords) * padded * sizeof(*to));
  for (int64_t row = 0; row < rows; ++row) {
    const T* from = rowAt(row);
    for (int64_t d = 0; d < words; d += kLineWords)
      std::memcpy(static_cast<void*>(to + d * padded + row * kLineWords), from + d * Arithmetic<T>::kPerWord,
                  lesser(kLineWords, words - d) * sizeof(*to));
  }
}

// The addresses of kRowsTogether rows of a matrix.
struct Together {
  const char* first;
  int64_t rowBytes;

  [[gnu::always_inline]] const char* row(int i) const { return first + i * rowBytes; }
  [[gnu::always_inline]] Together skip(int64_t times) const {
    return {first + times * kRowsTogether * rowBytes, rowBytes};
  }
};
// The addresses of fewer rows; the last one fills in for missing ones.
struct Fewer {
  const char* rows[kRowsTogether];

  Fewer(const Together& from, int64_t count) {
    for (int i = 0; i < kRowsTogether; ++i) rows[i] = from.row(static_cast<int>(lesser(i, count - 1)));
  }
  [[gnu::always_inline]] const char* row(int i) const { return rows[i]; }
};

// The lines that are multiplied kLinesAhead later, one of each row at a time, in the order in which they are read.
struct Upcoming {
  Together rows;
  int64_t line, lines;  // of a row
  bool intoL2 = hasTiles();

  static Upcoming none() { return {{nullptr, 0}, 0, 1, false}; }
  static Upcoming after(const Together& first, int64_t words) {
    const int64_t lines = greater(roundUp(words, kLineWords) / kLineWords, 1);
    return {first.skip(kLinesAhead / lines), kLinesAhead % lines, lines};
  }

  [[gnu::always_inline]] void prefetch() {
    if (!rows.first) return;
#pragma GCC unroll 16
    for (int i = 0; i < kRowsTogether; ++i) prefetchOnce(rows.row(i) + line * 64, intoL2);
    if (++line == lines) *this = {rows.skip(1), 0, lines, intoL2};
  }
};

// `count` words from word d on of each of the rows, with rows across lanes.
template <typename Lines>
[[gnu::always_inline]] inline void loadLines(const Lines& from, int64_t d, int64_t count, Line (&words)[kLineWords]) {
#pragma GCC unroll 4
  for (int64_t first = 0; first < kLineWords; first += kTileSide) {
    const int64_t left = lesser(greater(count - first, 0), kTileSide);
    Line square[kTileSide];
#pragma GCC unroll 16
    for (int i = 0; i < kTileSide; ++i)
      square[i] = (Line)loadFirst(reinterpret_cast<const float*>(from.row(i) + (d + first) * 4), left);
    transposeLines(square);
#pragma GCC unroll 16
    for (int i = 0; i < kTileSide; ++i) words[first + i] = square[i];
  }
}

// sums [kRows, kRowsTogether] += x·words; x holds one line of each row.
template <typename Word, int kRows>
[[gnu::always_inline]] inline void addLine(const Word* x, const Line (&words)[kLineWords], float* sums) {
  Vector<float> total[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) total[r] = load(sums + r * kRowsTogether);
#pragma GCC unroll 16
  for (int w = 0; w < 16; ++w)
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addWords(total[r], x[r * kLineWords + w], (Vector<float>)words[w]);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) store(sums + r * kRowsTogether, total[r]);
}

// The last line, which has only `count` words.
template <typename Word, int kRows>
void addPart(const Word* x, const Line (&words)[kLineWords], int64_t count, float* sums) {
  for (int r = 0; r < kRows; ++r) {
    Vector<float> total = load(sums + r * kRowsTogether);
    for (int64_t w = 0; w < count; ++w) addWords(total, x[r * kLineWords + w], (Vector<float>)words[w]);
    store(sums + r * kRowsTogether, total);
  }
}

// sums [kRows, kRowsTogether] += x·Mᵀ for as many rows of M; x has the layout of packLines.
template <typename Word, int kRows, typename Lines>
void addRows(const Word* x, const Lines& from, Upcoming upcoming, int64_t words, float* sums) {
  constexpr int kFirst = kRows < 8 ? kRows : 8, kRest = kRows - kFirst;
  Line lines[kLineWords];
  int64_t d = 0;
  for (; d + kLineWords <= words; d += kLineWords) {
    upcoming.prefetch();
    loadLines(from, d, kLineWords, lines);
    addLine<Word, kFirst>(x + d * kRows, lines, sums);
    if constexpr (kRest > 0) addLine<Word, kRest>(x + d * kRows + 8 * kLineWords, lines, sums + 8 * kRowsTogether);
  }
  if (d == words) return;
  loadLines(from, d, words - d, lines);
  addPart<Word, kRows>(x + d * kRows, lines, words - d, sums);
}

// As addRows, for any number of rows.
struct ByVectors {
  template <typename T>
  static void arrange(const Rows<const T>& from, int64_t rows, int64_t words, WordOf<T>* to) {
    packLines<T>([&](int64_t row) { return from.data + row * from.stride; }, rows, words, paddedRows(rows), to);
  }
  static int64_t width(int64_t rows) { return paddedRows(rows); }  // words of x for each one of its depth
  static TileShapes tiles(int64_t) { return {}; }
  static void finish(float*) {}

  template <typename Word, typename Lines>
  static void addRows(const Word* x, int64_t rows, const Lines& from, const Upcoming& upcoming, int64_t words,
                      float* sums) {
    switch (paddedRows(rows)) {
      case 1: bidora::BIDORA_VARIANT::addRows<Word, 1>(x, from, upcoming, words, sums); break;
      case 2: bidora::BIDORA_VARIANT::addRows<Word, 2>(x, from, upcoming, words, sums); break;
      case 4: bidora::BIDORA_VARIANT::addRows<Word, 4>(x, from, upcoming, words, sums); break;
      case 8: bidora::BIDORA_VARIANT::addRows<Word, 8>(x, from, upcoming, words, sums); break;
      case 12: bidora::BIDORA_VARIANT::addRows<Word, 12>(x, from, upcoming, words, sums); break;
      default: bidora::BIDORA_VARIANT::addRows<Word, 16>(x, from, upcoming, words, sums);
    }
  }
};

// The same for the rows from `first` on of a matrix of `count` rows.
template <typename T, typename By = ByVectors>
void addTogether(const WordOf<T>* x, int64_t rows, const Rows<const T>& matrix, int64_t words, int64_t first,
                 int64_t count, float* sums) {
  const Together from{reinterpret_cast<const char*>(matrix.data + first * matrix.stride),
                      matrix.stride * static_cast<int64_t>(sizeof(T))};
  if (first + kRowsTogether <= count) By::addRows(x, rows, from, Upcoming::after(from, words), words, sums);
  else By::addRows(x, rows, Fewer(from, count - first), Upcoming::none(), words, sums);
}

#endif

}  // namespace bidora::BIDORA_VARIANT
