// The cross-entropy kernels of each ISA variant, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// The cross-entropies of rows of logits. Each row is overwritten by its gradient if that is requested.
template <typename T>
struct CrossEntropy {
  T* logits;  // [rows, columns]
  const int64_t* targets;
  int64_t columns;
  bool wantsGradient;
  SumOf<T>* losses;
  uint8_t* hits;  // whether the target is the first largest logit
};
// Each row of tangents is overwritten by the gradient's tangent.
template <typename T>
struct CrossEntropyTangent {
  const T* logits;
  T* tangent;
  int64_t columns;
};

template <typename T>
struct CrossEntropyFunctions {
  // Rows begin … end − 1.
  void (*crossEntropy)(const CrossEntropy<T>& of, int64_t begin, int64_t end);
  void (*crossEntropyTangent)(const CrossEntropyTangent<T>& of, int64_t begin, int64_t end);
};
BIDORA_FUNCTIONS(CrossEntropyFunctions)

}  // namespace bidora
