// The kernels of each ISA variant for the gain of a DoRA layer, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N rows of O columns, the magnitude's gain and the bias [O], which may be null.
template <typename T>
struct Gain {
  const T* bias;
  const SumOf<T>* gain;
  int64_t columns;
};

// A gain and its relative tangent, slope = ċ/c, which may be null.
template <typename T>
struct GainTangent {
  const T* bias;
  const SumOf<T>*gain, *slope;
  int64_t columns;
};
// g and ġ of y; y and ẏ [N, O]; and the result q̇. Missing operands are null; y and ẏ are needed only for sums.
template <typename T>
struct GainTangentBackward {
  const T *bias, *gradient, *change, *y, *yDot;
  const SumOf<T>*gain, *gainDot;
  T* qDot;
  int64_t columns;
};

template <typename T>
struct GainFunctions {
  using Sum = SumOf<T>;

  // y = b + (y − b)·g in place for `rows` rows.
  void (*applyGain)(const Gain<T>& gain, T* y, int64_t rows);
  // Computes scaled = gradient·g and sums[o] = Σ_n gradient·(value − b) from the gradient of y, for `rows` rows. Either
  // may be null.
  void (*gainBackward)(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums, int64_t rows);
  // The tangent of a layer with a gain: overwrites ṗ with ẏ for `rows` rows. And backward, for rows begin … end − 1,
  // with three sums per column.
  void (*gainTangent)(const GainTangent<T>& by, const T* y, T* tangent, int64_t rows);
  void (*gainTangentBackward)(const GainTangentBackward<T>& by, int64_t begin, int64_t end, Sum* sums);
};
BIDORA_FUNCTIONS(GainFunctions)

}  // namespace bidora
