// The ISA variant in use: the best one that this processor has, or the one that BIDORA_CPU names.
#pragma once

#include <string>
#include <vector>

#include "kernels/common/functionTable.h"

namespace bidora {

// Its place in BIDORA_FOR_EACH_VARIANT.
size_t variantInUse();

const char* variantName(size_t variant);

// Those that this processor has, the best last.
std::vector<size_t> usableVariants();

// Throws std::invalid_argument when there is no such variant, or not on this processor. Not while operators run.
void useVariant(const std::string& name);

template <template <typename> typename Functions>
const FunctionTable<Functions>& tableInUse() {
  return *TablesOf<Functions>::kTables[variantInUse()];
}

}  // namespace bidora
