// The dropout kernel of each ISA variant.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

template <typename T>
struct DropoutFunctions {
  // Elements begin … begin + count − 1 of the flattened tensor of all ranks; from and to point to the first of them.
  void (*drop)(const T* from, T* to, int64_t begin, int64_t count, const Dropping& dropping);
};
BIDORA_FUNCTIONS(DropoutFunctions)

}  // namespace bidora
