// The dropout kernel's function table of one ISA variant.
#include "isa.h"
#include "functions.h"

namespace bidora::BIDORA_ISA {

namespace {

template <typename T>
constexpr DropoutFunctions<T> kOf{
    .drop = dropRange<T, T>,
};

}  // namespace

BIDORA_DEFINE_TABLE(DropoutFunctions, kOf)

}  // namespace bidora::BIDORA_ISA
