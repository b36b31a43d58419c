// The kernels of each ISA variant for the norms of DoRA's directions, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"
#include "kernels/packed/functions.h"

namespace bidora {

// The three terms of the squared norms of rows [rows, rank]. A squared norm below the share `cancellation` of its
// positive terms has lost too many digits.
template <typename Sum>
struct DirectionTerms {
  const Sum *base, *projected, *bGram, *b;
  Sum scale, cancellation;
  int64_t rows, rank;
};

// The terms of the norms' gradients [rows, rank] and the gradients of the norms [rows]; the last two are results.
template <typename Sum>
struct DirectionGradients {
  const Sum *ofNorm, *norm, *projected, *bGram, *b;
  Sum scale, smallest;
  int64_t rows, rank;
  Sum *weighted, *ofB;
};

// A product with a weight, in the accumulation type.
template <typename T>
struct WeightProduct {
  Rows<const T> weight;  // [out, in]
  int64_t out, in, rank;
  const SumOf<T>* other;
  SumOf<T>* result;
  const PackedMatrix* packed;  // the weight instead, if it is packed
};

template <typename T>
struct DirectionFunctions {
  using Sum = SumOf<T>;

  // Squared norms from the three terms; returns false if those of some row cancel.
  bool (*directionSquares)(const DirectionTerms<Sum>& terms, Sum* squares);
  // weighted = s·f∘B and ofB = s·f∘(projected + s·bGram), row by row, with f = ofNorm / norm, or 0 if the norm is at
  // most `smallest`.
  void (*directionGradients)(const DirectionGradients<Sum>& terms);
  // Rows begin … end − 1 of W·otherᵀ, other [rank, in], into [out, rank].
  void (*weightTimes)(const WeightProduct<T>& product, int64_t begin, int64_t end);
  // Columns begin … end − 1 of otherᵀ·W, other [out, rank], into [rank, in].
  void (*timesWeight)(const WeightProduct<T>& product, int64_t begin, int64_t end);
};
BIDORA_FUNCTIONS(DirectionFunctions)

}  // namespace bidora
