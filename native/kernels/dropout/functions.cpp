// The dropout kernel's function table of one ISA variant.
#include "functions.h"
#include "dropRange.h"

namespace bidora::BIDORA_VARIANT {

BIDORA_DEFINE_TABLE(DropoutFunctions, .drop = dropRange<T, T>)

}  // namespace bidora::BIDORA_VARIANT
