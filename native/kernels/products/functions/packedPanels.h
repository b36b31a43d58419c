// Packed matrices as right operands: pieces of rows are decoded into the L1 cache, and packed from there like a dense
// matrix.
#pragma once

#include "fewRows.h"
#include "kernels/packed/functions/decode.h"
#include "panels.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS

constexpr int64_t kPiece = 1024;  // elements of a row

// The same piece of several rows.
template <typename T>
struct DecodedPieces {
  static constexpr int64_t kStride = kPiece + 64 / static_cast<int64_t>(sizeof(T));  // not all in the same cache sets
  alignas(64) T data[kRowsTogether * kStride];

  // Missing rows are copies of the last one.
  void decode(const PackedMatrix& matrix, int64_t row, int64_t rows, int64_t column, int64_t count) {
    for (int64_t i = 0; i < rows; ++i)
      bidora::BIDORA_VARIANT::decode(matrix, row + i, column, count, data + i * kStride);
    for (int64_t i = rows; i < kRowsTogether; ++i)
      std::memcpy(static_cast<void*>(data + i * kStride), data + (rows - 1) * kStride, count * sizeof(T));
  }
};

// Calls use(first word, words) for the pieces of a row.
template <typename T, typename Use>
[[gnu::always_inline]] inline void forEachPiece(int64_t words, Use use) {
  constexpr int64_t kWords = kPiece / Arithmetic<T>::kPerWord;
  for (int64_t d = 0; d < words; d += kWords) use(d, lesser(kWords, words - d));
}

// As packColumns, from depth `firstDepth` on.
template <typename T>
void packDecodedColumns(const PackedMatrix& matrix, int64_t firstDepth, int64_t words, int64_t first, int64_t count,
                        int64_t width, WordOf<T>* to) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  DecodedPieces<T> pieces;
  for (int64_t c = 0; c < count; c += kRowsTogether) {
    const int64_t columns = lesser(kRowsTogether, count - c);
    forEachPiece<T>(words, [&](int64_t d, int64_t some) {
      pieces.decode(matrix, first + c, columns, firstDepth + d * kPerWord, some * kPerWord);
      packColumns<T>({pieces.data, pieces.kStride}, some, 0, columns, width, to + d * width + c);
    });
  }
}

// As packTransposed, from depth `firstDepth` on.
template <typename T>
void packDecodedRows(const PackedMatrix& matrix, int64_t firstDepth, int64_t words, int64_t first, int64_t count,
                     int64_t width, WordOf<T>* to) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  alignas(64) T rows[kPerWord * kPanel];
  for (int64_t d = 0; d < words; ++d) {
    for (int64_t i = 0; i < kPerWord; ++i) {
      const int64_t row = firstDepth + d * kPerWord + i;
      __builtin_prefetch(placeOf(matrix, row + kRowsAhead, first));
      __builtin_prefetch(placeOf(matrix, row + kRowsAhead, first + count));
      decode(matrix, row, first, count, rows + i * kPanel);
    }
    pairRows(rows, kPanel, to + d * width, count);
  }
}

// `depth` elements of the depth from `first` on.
template <typename T>
FrozenProduct<T> partOf(const FrozenProduct<T>& call, int64_t first, int64_t depth) {
  FrozenProduct<T> part = call;
  part.x.data += first;
  part.depth = depth;
  if (call.packed) part.firstDepth += first;
  else part.weight.data += call.isTransposed ? first * call.weight.stride : first;
  return part;
}

// As packPanel.
template <typename T>
void packDecodedPanel(const FrozenProduct<T>& call, int64_t words, int64_t first, int64_t count, int64_t width,
                      WordOf<T>* to) {
  if (call.isTransposed) packDecodedRows<T>(*call.packed, call.firstDepth, words, first, count, width, to);
  else packDecodedColumns<T>(*call.packed, call.firstDepth, words, first, count, width, to);
  clearColumns(words, count, width, to);
}

// As addTogether.
template <typename T, typename By>
void addDecodedTogether(const WordOf<T>* x, int64_t padded, const PackedMatrix& matrix, int64_t words, int64_t first,
                        float* sums) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  const int64_t count = lesser(kRowsTogether, matrix.rows - first);
  DecodedPieces<T> pieces;
  forEachPiece<T>(words, [&](int64_t d, int64_t some) {
    pieces.decode(matrix, first, count, d * kPerWord, some * kPerWord);
    const Together from{reinterpret_cast<const char*>(pieces.data), pieces.kStride * static_cast<int64_t>(sizeof(T))};
    By::addRows(x + d * padded, padded, from, Upcoming::none(), some, sums);
  });
}

#endif

}  // namespace bidora::BIDORA_VARIANT
