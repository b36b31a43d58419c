// The activation kernels of each ISA variant, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// The activation functions that models use.
enum class Activation { gelu, geluTanh, silu };

// f(x), multiplied by `up` unless that is null.
template <typename T>
struct Activating {
  const T *x, *up;
  T* out;
};
template <typename T>
struct ActivatingGradient {
  const T *x, *up, *gradient;
  T *ofX, *ofUp;
};

// The same with tangents; a null tangent means 0.
template <typename T>
struct ActivationTangent {
  const T *x, *up, *xd, *upd;
  T* out;
};
// Computes the input gradients and their tangents from the output gradient g and its tangent, which may be null.
template <typename T>
struct ActivationTangentGradient {
  const T *x, *up, *xd, *upd, *g, *gd;
  T *ofXTangent, *ofUpTangent, *ofX, *ofUp;
};

template <typename T>
struct ActivationFunctions {
  // The first `count` elements.
  void (*activate)(Activation kind, const Activating<T>& of, int64_t count);
  void (*activateBackward)(Activation kind, const ActivatingGradient<T>& of, int64_t count);
  // Elements begin … end − 1.
  void (*activationTangent)(Activation kind, const ActivationTangent<T>& of, int64_t begin, int64_t end);
  void (*activationTangentBackward)(Activation kind, const ActivationTangentGradient<T>& of, int64_t begin,
                                    int64_t end);
};
BIDORA_FUNCTIONS(ActivationFunctions)

}  // namespace bidora
