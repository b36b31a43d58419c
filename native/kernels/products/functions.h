// Products of each ISA variant that are our own, and what they are called with.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// A product with a frozen matrix, and further depth beside it: ((x·W + low·F)·scale ∘ gain) + bias. W and F lie as
// [columns, depth] and [columns, rank], or turned: as [depth, columns] and [rank, columns]. What is not there is null.
// Of narrow numbers, which are taken in pairs, depth, rank and the strides of x and low are even.
template <typename T>
struct FrozenProduct {
  Rows<const T> x;
  Rows<const T> weight;
  Rows<const T> low;
  Rows<const T> further;
  Rows<T> out;
  int64_t rows, depth, columns, rank;
  bool isTransposed;
  SumOf<T> scale;
  const SumOf<T>* gain;
  const T* bias;
};

// Σ_n left[n][k]·right[n][c], [rank, columns].
template <typename T>
struct OuterProduct {
  Rows<const T> left, right;
  int64_t rows, rank, columns;
  SumOf<T>* result;
};

constexpr int64_t kPanel = 64;    // columns of a frozen product that are taken together
constexpr int64_t kFewRows = 16;  // of a frozen product, that are multiplied while the matrix is read

template <typename T>
struct ProductFunctions {
  // Tasks begin … end − 1, each a panel of columns for a chunk of rows, the chunks of a panel one after the other. Null
  // where a library's product is as good.
  void (*frozenProduct)(const FrozenProduct<T>& product, int64_t rowsOfChunk, int64_t begin, int64_t end);
  // The same bits for up to kFewRows rows of a matrix that is not turned: sixteen columns each, begin … end − 1.
  void (*fewRowsProduct)(const FrozenProduct<T>& product, int64_t begin, int64_t end);
  // Columns begin … end − 1. Null likewise.
  void (*outerProduct)(const OuterProduct<T>& product, int64_t begin, int64_t end);
};
BIDORA_FUNCTIONS(ProductFunctions)

}  // namespace bidora
