// Declarations of the ISA variant being compiled. CMakeLists.txt sets its name (BIDORA_VARIANT) and compiler options,
// and defines
//
//   BIDORA_BFLOAT16_PAIRS  if it has instructions to multiply pairs of bfloat16 and to round float to bfloat16
//   BIDORA_OWN_PRODUCTS    if our products with frozen matrices are faster than a library's
//
// so that no code has to infer them from each other or from an instruction set.
#pragma once

#include <cstdint>

#if defined(BIDORA_BFLOAT16_PAIRS) && !defined(__AVX512BF16__) && !defined(__ARM_FEATURE_BF16)
#error "BIDORA_BFLOAT16_PAIRS is written with the instructions of AVX512-BF16 and of Arm's BF16."
#endif
#if defined(BIDORA_OWN_PRODUCTS) && !defined(BIDORA_BFLOAT16_PAIRS)
#error "BIDORA_OWN_PRODUCTS needs BIDORA_BFLOAT16_PAIRS: products of bfloat16 are written for pairs."
#endif

#if defined(__aarch64__)
#include <arm_neon.h>
#elif defined(__FMA__)
#include <immintrin.h>
#endif

namespace bidora::BIDORA_VARIANT {

#if defined(__AVX512F__)
constexpr int64_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int64_t kVectorBytes = 32;
#else
constexpr int64_t kVectorBytes = 16;
#endif

// Whether there are 32 vector registers, so that a tile's sums may take 24 of them; otherwise they take 8 of 16.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool kHasManyRegisters = true;
#else
constexpr bool kHasManyRegisters = false;
#endif

}  // namespace bidora::BIDORA_VARIANT
