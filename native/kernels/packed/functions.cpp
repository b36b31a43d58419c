// Decodes packed matrices.
#include "functions.h"
#include "functions/decode.h"

namespace bidora::BIDORA_VARIANT {

namespace {

template <typename T>
constexpr PackedFunctions<T> kOf{decode<T>};
template <>
constexpr PackedFunctions<double> kOf<double>{};

}  // namespace

BIDORA_DEFINE_TABLE_OF(PackedFunctions, kOf)

}  // namespace bidora::BIDORA_VARIANT
