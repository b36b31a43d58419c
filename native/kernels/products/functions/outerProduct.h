// Σ_n left[n][k]·right[n][c]: the gradient of a low-rank factor. The result, [rank, columns], is small and stays in the
// L1 cache while `right` is read once.
#pragma once

#include "kernels/products/functions.h"
#include "panels.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS

constexpr int64_t kColumnsAtOnce = 2 * kLanes<float>;

// Two vectors of words from row n, and from the next row if words hold two elements; columns beyond `count` are 0.
template <typename T>
[[gnu::always_inline]] inline void loadWords(const T* row, const T* below, int64_t count, Vector<float> (&words)[2]) {
  if constexpr (Arithmetic<T>::kPerWord == 1) {
    for (int64_t v = 0; v < 2; ++v) {
      const int64_t first = v * kLanes<float>;
      words[v] = loadFirst(row + first, lesser(greater(count - first, 0), kLanes<float>));
    }
  } else {
    const Vector<uint16_t> low = loadFirst(&row->bits, count),
                           high = below ? loadFirst(&below->bits, count) : Vector<uint16_t>{};
    pairVectors(low, high, words);
  }
}

// Words `first` … `end` − 1 of the rows for columns from `column` on; `left` is [words, rank].
template <typename T, int kRank>
void outerTile(const OuterProduct<T>& call, const WordOf<T>* left, int64_t first, int64_t end, int64_t k,
               int64_t column, float* sums) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  const int64_t count = lesser(kColumnsAtOnce, call.columns - column);
  Vector<float> total[kRank][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRank; ++r)
    for (int64_t v = 0; v < 2; ++v) total[r][v] = load(sums + r * kColumnsAtOnce + v * kLanes<float>);
  for (int64_t n = first; n < end; ++n) {
    const T* row = call.right.data + n * kPerWord * call.right.stride + column;
    const bool hasBelow = kPerWord == 2 && 2 * n + 1 < call.rows;
    Vector<float> words[2];
    loadWords(row, hasBelow ? row + call.right.stride : nullptr, count, words);
#pragma GCC unroll 8
    for (int r = 0; r < kRank; ++r)
      for (int v = 0; v < 2; ++v) addWords(total[r][v], left[n * call.rank + k + r], words[v]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRank; ++r)
    for (int64_t v = 0; v < 2; ++v) store(sums + r * kColumnsAtOnce + v * kLanes<float>, total[r][v]);
}

template <typename T>
void packLeft(const OuterProduct<T>& call, int64_t words, WordOf<T>* to) {
  for (int64_t n = 0; n < words; ++n) {
    const T* row = call.left.data + n * Arithmetic<T>::kPerWord * call.left.stride;
    if constexpr (Arithmetic<T>::kPerWord == 1) {
      std::memcpy(to + n * call.rank, row, call.rank * sizeof(*to));
    } else {
      const T* below = 2 * n + 1 < call.rows ? row + call.left.stride : nullptr;
      for (int64_t k = 0; k < call.rank; ++k)
        to[n * call.rank + k].bits = row[k].bits | (below ? static_cast<uint32_t>(below[k].bits) << 16 : 0);
    }
  }
}

template <typename T>
void outerProduct(const OuterProduct<T>& call, int64_t begin, int64_t end) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord, kWordsAtOnce = 64;
  const int64_t words = (call.rows + kPerWord - 1) / kPerWord, wide = roundUp(end - begin, kColumnsAtOnce);
  Buffer<WordOf<T>> leftBuffer;
  Buffer<float> sumBuffer;
  WordOf<T>* left = leftBuffer.need(words * call.rank);
  packLeft(call, words, left);
  float* sums = sumBuffer.need(call.rank * wide);  // [columns / kColumnsAtOnce, rank, kColumnsAtOnce]
  std::memset(sums, 0, call.rank * wide * sizeof(float));
  for (int64_t first = 0; first < words; first += kWordsAtOnce) {
    const int64_t last = lesser(first + kWordsAtOnce, words);
    for (int64_t column = begin; column < end; column += kColumnsAtOnce) {
      float* at = sums + (column - begin) * call.rank;
      int64_t k = 0;
      for (; k + 8 <= call.rank; k += 8) outerTile<T, 8>(call, left, first, last, k, column, at + k * kColumnsAtOnce);
      for (; k + 4 <= call.rank; k += 4) outerTile<T, 4>(call, left, first, last, k, column, at + k * kColumnsAtOnce);
      for (; k < call.rank; ++k) outerTile<T, 1>(call, left, first, last, k, column, at + k * kColumnsAtOnce);
    }
  }
  for (int64_t k = 0; k < call.rank; ++k)
    for (int64_t column = begin; column < end; column += kColumnsAtOnce)
      std::memcpy(call.result + k * call.columns + column, sums + (column - begin) * call.rank + k * kColumnsAtOnce,
                  lesser(kColumnsAtOnce, end - column) * sizeof(float));
}

#endif

}  // namespace bidora::BIDORA_VARIANT
