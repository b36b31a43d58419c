// Rotary embedding's function of each ISA variant, and what it is called with.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// N tokens of `heads` heads of D numbers, of which the first `turned` (R) are turned by the token's cosines and sines
// [N, R]; transposed, by what carries a gradient back.
template <typename T>
struct Rotary {
  Rows<const T> x, cosines, sines;
  Rows<T> out;
  int64_t heads, size, turned;
  bool isTransposed;
};

template <typename T>
struct RotaryFunctions {
  // Tokens begin … end − 1.
  void (*rotate)(const Rotary<T>& call, int64_t begin, int64_t end);
};
BIDORA_FUNCTIONS(RotaryFunctions)

}  // namespace bidora
