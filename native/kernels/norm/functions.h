// The kernels of each ISA variant for norm(residual + dropout(x)) and norm(x), and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// Tensors are [N, H]; the statistics are [N, 2]: mean and 1 / √(variance + ε), where the mean is 0 unless the norm is
// centered. The bias may be null, and so may toSum, the direct gradient of the sum. Without a residual, residual and
// sum are null, and x itself is normalized, without dropout.
template <typename T>
struct Norm {
  const T *x, *residual, *weight, *bias;
  T *sum, *out;
  SumOf<T>* stats;
  int64_t size;
  double epsilon;
  bool isCentered;
  Dropping dropping;
};
template <typename T>
struct NormGradient {
  const T *gradient, *toSum, *sum, *weight;
  const SumOf<T>* stats;
  T *ofX, *ofSum;
  int64_t size;
  bool isCentered;
  Dropping dropping;
};

// The operands of a norm, with tangents of x and the residual; a null tangent means 0.
template <typename T>
struct NormTangent {
  const T *x, *residual, *weight, *xd, *residuald;
  int64_t size;
  double epsilon;
  bool isCentered;
  Dropping dropping;
};
// The gradients of the normalized rows and of the sums, of which all but `normed` may be null; and the results.
template <typename T>
struct NormTangentGradient {
  const T *normed, *normedTangent, *sum, *sumTangent;
  T *ofXTangent, *ofResidualTangent, *ofX, *ofResidual;  // null without a residual, for the residual
};

template <typename T>
struct NormFunctions {
  using Sum = SumOf<T>;

  // Rows begin … end − 1; `scratch` holds one row.
  void (*norm)(const Norm<T>& norm, int64_t begin, int64_t end, Sum* scratch);
  void (*normBackward)(const NormGradient<T>& norm, int64_t begin, int64_t end, Sum* scratch);

  // The same rows of tangents; `scratch` holds four rows.
  void (*normTangent)(const NormTangent<T>& norm, T* normed, T* sum, int64_t begin, int64_t end, Sum* scratch);
  void (*normTangentBackward)(const NormTangent<T>& norm, const NormTangentGradient<T>& of, int64_t begin, int64_t end,
                              Sum* scratch);
};
BIDORA_FUNCTIONS(NormFunctions)

}  // namespace bidora
