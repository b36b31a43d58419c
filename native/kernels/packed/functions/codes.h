// Codes of a granule in memory and in registers.
#pragma once

#include "kernels/packed/functions.h"
#include "kernels/simd/vectors.h"

namespace bidora::BIDORA_VARIANT {

typedef uint8_t Codes __attribute__((vector_size(32)));
typedef uint8_t HalfCodes __attribute__((vector_size(16)));
typedef uint16_t Words __attribute__((vector_size(32)));
typedef uint32_t DoubleWords __attribute__((vector_size(32)));

[[gnu::always_inline]] inline Codes loadCodes(const uint8_t* from) {
  Codes codes;
  std::memcpy(&codes, from, sizeof codes);
  return codes;
}
[[gnu::always_inline]] inline HalfCodes loadHalf(const uint8_t* from) {
  HalfCodes codes;
  std::memcpy(&codes, from, sizeof codes);
  return codes;
}

struct OneAfterTheOther {
  static constexpr int at(int place) { return place; }
};
struct InTurns {
  static constexpr int at(int place) { return place / 2 + place % 2 * 16; }
};

template <typename Order, int... kPlace>
[[gnu::always_inline]] inline Codes joined(HalfCodes a, HalfCodes b, std::integer_sequence<int, kPlace...>) {
  return __builtin_shufflevector(a, b, Order::at(kPlace)...);
}
template <typename Order>
[[gnu::always_inline]] inline Codes joined(HalfCodes a, HalfCodes b) {
  return joined<Order>(a, b, std::make_integer_sequence<int, kGranule>());
}

// 16 in the lanes whose bit is set.
template <int... kPlace>
[[gnu::always_inline]] inline Codes fifthBits(const uint8_t* bits, std::integer_sequence<int, kPlace...>) {
#ifdef __AVX512BW__
  uint32_t mask;
  std::memcpy(&mask, bits, sizeof mask);
  return (Codes)_mm256_maskz_set1_epi8(mask, 16);
#else
  HalfCodes four{};
  std::memcpy(&four, bits, 4);
  const Codes spread = __builtin_shufflevector(four, four, (kPlace / 8)...);
  constexpr Codes kBit = {(1 << (kPlace % 8))...};
  return (Codes)((spread & kBit) != 0) & 16;
#endif
}
[[gnu::always_inline]] inline Codes fifthBits(const uint8_t* bits) {
  return fifthBits(bits, std::make_integer_sequence<int, kGranule>());
}

[[gnu::always_inline]] inline float halfAt(const uint8_t* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
#ifdef __F16C__
  return _cvtsh_ss(half);
#else
  uint32_t bits = (half & 0x7FFFU) << 13;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  number *= 0x1p112F;
  std::memcpy(&bits, &number, sizeof bits);
  if ((half & 0x7C00U) == 0x7C00U) bits = 0x7F800000U | (half & 0x3FFU) << 13;
  bits |= (half & 0x8000U) << 16;
  std::memcpy(&number, &bits, sizeof number);
  return number;
#endif
}

}  // namespace bidora::BIDORA_VARIANT
