// Numbers of the type that is computed in, written as the type that is stored.
#pragma once

#include <c10/util/BFloat16.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include <cstdint>

namespace bidora {

template <typename Sum, typename T>
[[gnu::always_inline]] inline void writeNumbers(const Sum* from, int64_t count, T* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(from[i]);
}

#ifdef __AVX512BF16__
[[gnu::always_inline]] inline void writeNumbers(const float* from, int64_t count, c10::BFloat16* to) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
  if (i == count) return;
  const __mmask16 rest = static_cast<__mmask16>((1U << (count - i)) - 1);
  _mm256_mask_storeu_epi16(to + i, rest, (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, from + i)));
}
#endif

}  // namespace bidora
