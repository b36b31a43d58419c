// The dropout function that each ISA variant has.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

template <typename T>
struct DropoutFunctions {
  // Elements begin … begin + count − 1, counted through the whole tensor; from and to point at the first.
  void (*drop)(const T* from, T* to, int64_t begin, int64_t count, const Dropping& dropping);
};
BIDORA_FUNCTIONS(DropoutFunctions)

}  // namespace bidora
