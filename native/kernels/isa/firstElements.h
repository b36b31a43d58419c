// Vectors of which only the first `count` elements are in memory.
#pragma once

#include "vectors.h"

namespace bidora::BIDORA_ISA {

#ifdef __AVX512F__

[[gnu::always_inline]] inline uint32_t firstLanes(int64_t count) {
  return static_cast<uint32_t>((uint64_t{1} << count) - 1);
}
// The other elements are 0.
[[gnu::always_inline]] inline Vector<float> loadFirst(const float* from, int64_t count) {
  return (Vector<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>(firstLanes(count)), from);
}
[[gnu::always_inline]] inline Vector<uint16_t> loadFirst(const uint16_t* from, int64_t count) {
  return (Vector<uint16_t>)_mm512_maskz_loadu_epi16(firstLanes(count), from);
}
[[gnu::always_inline]] inline void storeFirst(void* to, const Vector<float>& x, int64_t count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>(firstLanes(count)), (__m512)x);
}
template <typename Half>
[[gnu::always_inline]] inline void storeFirst(uint16_t* to, const Half& x, int64_t count) {
  _mm256_mask_storeu_epi16(to, static_cast<__mmask16>(firstLanes(count)), (__m256i)x);
}

#else

// The other elements are 0.
template <typename T>
[[gnu::always_inline]] inline Vector<T> loadFirst(const T* from, int64_t count) {
  if (count == kLanes<T>) return load(from);
  Vector<T> x{};
  std::memcpy(&x, from, count * sizeof(T));
  return x;
}
template <typename T, typename V>
[[gnu::always_inline]] inline void storeFirst(T* to, const V& x, int64_t count) {
  std::memcpy(static_cast<void*>(to), &x, count * sizeof(T));
}

#endif

}  // namespace bidora::BIDORA_ISA
