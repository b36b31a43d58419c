// The rotary embedding function that each ISA variant has, and its arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N tokens of `heads` heads of D numbers, of which the first `rotated` (R) are rotated by the token's cosines and sines
// [N, R]; transposed for gradients.
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
