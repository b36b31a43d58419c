// The functions that each ISA variant has for norm(residual + dropout(x)) and norm(x), and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N rows of H numbers. Statistics [N, 2]: mean and 1 / √(variance + ε), with 0 as the mean unless the norm is centred.
// The bias may be null, and so may toSum, the direct gradient of the sum. Without a residual, residual and sum are
// null: x itself is normalised, without dropout.
template <typename T>
struct Norm {
  const T *x, *residual, *weight, *bias;
  T *sum, *out;
  SumOf<T>* stats;
  int64_t size;
  double epsilon;
  bool isCentred;
  Dropping dropping;
};
template <typename T>
struct NormGradient {
  const T *gradient, *toSum, *sum, *weight;
  const SumOf<T>* stats;
  T *ofX, *ofSum;
  int64_t size;
  bool isCentred;
  Dropping dropping;
};

// The operands of a norm with tangents of the first two; a null tangent counts as 0.
template <typename T>
struct NormTangent {
  const T *x, *residual, *weight, *xd, *residuald;
  int64_t size;
  double epsilon;
  bool isCentred;
  Dropping dropping;
};
// The gradients of the normalised rows and of the sums, all of which but `normed` may be null, and the results.
template <typename T>
struct NormTangentGradient {
  const T *normed, *normedTangent, *sum, *sumTangent;
  T *ofXTangent, *ofResidualTangent, *ofX, *ofResidual;  // those of a residual are null without one
};

template <typename T>
struct NormFunctions {
  using Sum = SumOf<T>;

  // Rows begin … end − 1; there is `room` for one.
  void (*norm)(const Norm<T>& norm, int64_t begin, int64_t end, Sum* room);
  void (*normBackward)(const NormGradient<T>& norm, int64_t begin, int64_t end, Sum* room);

  // The same rows of tangents; there is `room` for four.
  void (*normTangent)(const NormTangent<T>& norm, T* normed, T* sum, int64_t begin, int64_t end, Sum* room);
  void (*normTangentBackward)(const NormTangent<T>& norm, const NormTangentGradient<T>& of, int64_t begin, int64_t end,
                              Sum* room);
};
BIDORA_FUNCTIONS(NormFunctions)

}  // namespace bidora
