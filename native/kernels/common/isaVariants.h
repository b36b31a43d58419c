// The ISA variant in use: the best one that this processor supports, or the one set by BIDORA_CPU.
#pragma once

#include <string>
#include <vector>

#include "kernels/common/functionTable.h"

namespace bidora {

// Its index in BIDORA_FOR_EACH_VARIANT.
size_t variantInUse();

const char* variantName(size_t variant);

// The variants that this processor supports, best last.
std::vector<size_t> usableVariants();

// Throws std::invalid_argument if there is no such variant or this processor does not support it. Must not be called
// while operators run.
void useVariant(const std::string& name);

template <template <typename> typename Functions>
const FunctionTable<Functions>& tableInUse() {
  return *TablesOf<Functions>::kTables[variantInUse()];
}

}  // namespace bidora
