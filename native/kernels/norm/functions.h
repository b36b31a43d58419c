// Functions of each ISA variant for norm(residual + dropout(x)) and norm(x), and what they are called with.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N rows of H numbers. Statistics [N, 2]: mean and 1 / √(variance + ε), with 0 as the mean unless the norm is centred.
// Without a bias null, and so the gradient that comes to the sum itself. Without a residual it is null and so is the
// sum: x is normalised, of which nothing is dropped.
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

// The operands of a norm with tangents of the first two; a tangent that is null counts as 0.
template <typename T>
struct NormTangent {
  const T *x, *residual, *weight, *xd, *residuald;
  int64_t size;
  double epsilon;
  bool isCentred;
  Dropping dropping;
};
// What comes to the normed rows and to the sums, of which all but `normed` may be null, and where gradients go.
template <typename T>
struct NormTangentGradient {
  const T *normed, *normedTangent, *sum, *sumTangent;
  T *ofXTangent, *ofResidualTangent, *ofX, *ofResidual;  // of a residual null without one
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
