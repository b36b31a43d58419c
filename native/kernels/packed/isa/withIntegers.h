// The decoders of all formats to whole numbers.
#pragma once

#include "integerLevels.h"

#ifdef __AVX2__
namespace bidora::BIDORA_ISA {

// Calls use with a null pointer to the format's decoder.
template <typename Use>
[[gnu::always_inline]] inline void withIntegers(PackedFormat format, Use use) {
  switch (format) {
    case PackedFormat::nf4: return use(static_cast<IntegerNf4*>(nullptr));
    case PackedFormat::fp4: return use(static_cast<IntegerFp4*>(nullptr));
    case PackedFormat::int8: return use(static_cast<IntegerBytes*>(nullptr));
    case PackedFormat::q8_0: return use(static_cast<IntegerQ8_0*>(nullptr));
    case PackedFormat::q4_0: return use(static_cast<IntegerBlock32<Block32<false, false>>*>(nullptr));
    case PackedFormat::q4_1: return use(static_cast<IntegerBlock32<Block32<true, false>>*>(nullptr));
    case PackedFormat::q5_0: return use(static_cast<IntegerBlock32<Block32<false, true>>*>(nullptr));
    case PackedFormat::q5_1: return use(static_cast<IntegerBlock32<Block32<true, true>>*>(nullptr));
    case PackedFormat::q4_k: return use(static_cast<IntegerBlock256<false>*>(nullptr));
    case PackedFormat::q5_k: return use(static_cast<IntegerBlock256<true>*>(nullptr));
    case PackedFormat::q6_k: return use(static_cast<IntegerQ6_K*>(nullptr));
  }
}

}  // namespace bidora::BIDORA_ISA
#endif
