// The rotary embedding kernel of each ISA variant, and its arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N tokens with `heads` heads of size D. The first `rotated` (R) elements of a head are rotated by the token's cosines
// and sines [N, R]; for gradients, by the transposed rotation.
template <typename T>
struct Rotary {
  Rows<const T> x, cosines, sines;
  Rows<T> out;
  int64_t heads, size, rotated;
  bool isTransposed;
};

template <typename T>
struct RotaryFunctions {
  // Tokens begin … end − 1.
  void (*rotate)(const Rotary<T>& call, int64_t begin, int64_t end);
};
BIDORA_FUNCTIONS(RotaryFunctions)

}  // namespace bidora
