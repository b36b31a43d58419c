// The product kernels of each ISA variant, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"
#include "kernels/packed/functions.h"

namespace bidora {

// A product with a frozen matrix and a low-rank term: ((x·W + low·F)·scale ∘ gain) + bias. W and F are stored as
// [columns, depth] and [columns, rank], or if transposed as [depth, columns] and [rank, columns]. W may be packed, from
// `firstDepth` on. Missing operands are null. For bfloat16, which is multiplied in pairs, depth, rank and the strides
// of x and low are even.
template <typename T>
struct FrozenProduct {
  Rows<const T> x;
  Rows<const T> weight;
  Rows<const T> low;
  Rows<const T> factor;
  Rows<T> out;
  int64_t rows, depth, columns, rank;
  bool isTransposed;
  SumOf<T> scale;
  const SumOf<T>* gain;
  const T* bias;
  const PackedMatrix* packed;
  bool usesTiles;  // whether the processor multiplies tiles of this type (AMX)
  int64_t firstDepth = 0;
};

// Σ_n left[n][k]·right[n][c], [rank, columns].
template <typename T>
struct OuterProduct {
  Rows<const T> left, right;
  int64_t rows, rank, columns;
  SumOf<T>* result;
};

// Up to kFewRows rows of x and of low as fewRowsProduct takes them.
struct ArrangedRows {
  const void *x, *low;
};

// Rows of bfloat16 rounded to int8: codes [rows, stride], rows filled up with zeros to a multiple of 32, and a scale
// each.
struct RoundedRows {
  int8_t* codes;
  float* scales;
  int64_t stride;
};

// Rows of bfloat16 rounded to int16 in blocks of 256 elements, the last of which may be shorter. Groups of kIntegerRows
// are whole, the missing rows 0 if there are more than kRowsAlone. The order of four granules' numbers is the packed
// format's, and that of their bytes if it multiplies bytes.
struct IntegerRows {
  int16_t* codes;  // [granules of whole blocks, rows, kGranule] for each group of rows that are multiplied at once
  float* scales;   // of the blocks, [rows, blocks]
  float* sums;     // of the granules' numbers, [rows, granules]
  int64_t granules, blocks;
};

constexpr int64_t kGranulesOfBlock = 8;
constexpr int64_t kIntegerRows = 8;  // a multiple of the rows that are multiplied at once
constexpr int64_t kRowsAlone = 4;    // so many rows and fewer are multiplied without missing ones
constexpr int64_t kPanel = 64;       // columns per panel of a frozen product
constexpr int64_t kFewRows = 16;     // for up to this many rows of x, the matrix is not packed

template <typename T>
struct ProductFunctions {
  // Tasks begin … end − 1. Each is a panel of columns for a chunk of rows; the chunks of a panel are consecutive. Null
  // if a library's product is as fast.
  void (*frozenProduct)(const FrozenProduct<T>& product, int64_t rowsOfChunk, int64_t begin, int64_t end) = nullptr;
  // The same bits for up to kFewRows rows and a matrix that is not transposed: arranges rows of x or low, in memory for
  // kFewRows rows of whole cache lines; and groups begin … end − 1 of 16 columns.
  void (*arrangeRows)(const Rows<const T>& from, int64_t rows, int64_t depth, bool usesTiles, void* to) = nullptr;
  void (*fewRowsProduct)(const FrozenProduct<T>& product, const ArrangedRows& rows, int64_t begin,
                         int64_t end) = nullptr;
  // For a packed matrix whose rows consist of whole blocks and granules: rounds groups begin … end − 1 of kIntegerRows
  // rows of x; and groups begin … end − 1 of 16 columns. Null except for bfloat16.
  void (*roundBlocks)(const FrozenProduct<T>& product, const IntegerRows& to, int64_t begin, int64_t end) = nullptr;
  void (*integerProduct)(const FrozenProduct<T>& product, const IntegerRows& x, int64_t begin, int64_t end) = nullptr;
  // Columns begin … end − 1. May also be null.
  void (*outerProduct)(const OuterProduct<T>& product, int64_t begin, int64_t end) = nullptr;
  // For int8 rows whose products round their left operand: rounds rows begin … end − 1 of it; and tasks as
  // frozenProduct. Null without AMX.
  void (*roundRows)(const FrozenProduct<T>& product, const RoundedRows& to, int64_t begin, int64_t end) = nullptr;
  void (*byteProduct)(const FrozenProduct<T>& product, const RoundedRows& x, int64_t rowsOfChunk, int64_t begin,
                      int64_t end) = nullptr;
};
BIDORA_FUNCTIONS(ProductFunctions)

}  // namespace bidora
