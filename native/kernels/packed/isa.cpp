// Decodes packed matrices.
#include "functions.h"
#include "isa/decode.h"

namespace bidora::BIDORA_ISA {

namespace {

template <typename T>
constexpr PackedFunctions<T> kOf{decode<T>};
template <>
constexpr PackedFunctions<double> kOf<double>{};

}  // namespace

BIDORA_DEFINE_TABLE(PackedFunctions, kOf)

}  // namespace bidora::BIDORA_ISA
