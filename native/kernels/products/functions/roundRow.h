// Rounds numbers to integers that share a scale.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

namespace bidora::BIDORA_VARIANT {

// The largest magnitude becomes kLargestCode. What is not finite makes the scale so, and with it the row's
// products; magnitudes below 2⁻¹⁰⁰ become 0.
template <int kLargestCode, typename Code>
inline void roundRow(const float* row, int64_t count, Code* to, float& scale) {
  static_assert(kLargestCode <= std::numeric_limits<Code>::max());
  constexpr float kLargest = kLargestCode;
  uint32_t most = 0;  // of the magnitudes' bits, which are in the numbers' order with NaN last
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, row + i, sizeof bits);
    bits &= 0x7FFFFFFFU;
    most = bits > most ? bits : most;
  }
  float largest;
  std::memcpy(&largest, &most, sizeof largest);
  scale = largest / kLargest;
  const float inverse = largest >= 0x1p-100F && largest <= 0x1.FFFFFEp127F ? kLargest / largest : 0;
  for (int64_t i = 0; i < count; ++i)
    to[i] = static_cast<Code>(static_cast<int32_t>(__builtin_rintf(row[i] * inverse)));
}

}  // namespace bidora::BIDORA_VARIANT
