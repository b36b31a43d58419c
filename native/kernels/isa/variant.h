// What the ISA variant that is being compiled declares about itself. CMakeLists.txt names it (BIDORA_ISA), gives the
// compiler its instructions, and defines for it
//
//   BIDORA_BFLOAT16_PAIRS  where it multiplies pairs of bfloat16 numbers and rounds float to bfloat16 by instructions
//   BIDORA_OWN_PRODUCTS    where our products with frozen matrices are faster than a library's
//
// so that no code has to infer one from the other, or from an instruction set.
#pragma once

#include <cstdint>

#if defined(BIDORA_BFLOAT16_PAIRS) && !defined(__AVX512BF16__)
#error "BIDORA_BFLOAT16_PAIRS is written with AVX512-BF16 instructions."
#endif
#if defined(BIDORA_OWN_PRODUCTS) && !defined(BIDORA_BFLOAT16_PAIRS)
#error "BIDORA_OWN_PRODUCTS needs BIDORA_BFLOAT16_PAIRS: products of bfloat16 are written for pairs."
#endif

#ifdef __FMA__
#include <immintrin.h>
#endif

namespace bidora::BIDORA_ISA {

#if defined(__AVX512F__)
constexpr int64_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int64_t kVectorBytes = 32;
#else
constexpr int64_t kVectorBytes = 16;
#endif

// Whether there are 32 vector registers: a tile's sums may take 24 of them, or else 8 of 16.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool kHasManyRegisters = true;
#else
constexpr bool kHasManyRegisters = false;
#endif

}  // namespace bidora::BIDORA_ISA
