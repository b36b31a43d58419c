// The values of bitsandbytes' 4-bit codes. The functions leave no code behind, so that ISA variants may use them.
#pragma once

#include <array>

namespace bidora {

// nf4: quantiles of the normal distribution (QLoRA, appendix E).
consteval std::array<float, 16> normalLevels() {
  return {-1.0F,
          -0.6961928009986877F,
          -0.5250730514526367F,
          -0.39491748809814453F,
          -0.28444138169288635F,
          -0.18477343022823334F,
          -0.09105003625154495F,
          0.0F,
          0.07958029955625534F,
          0.16093020141124725F,
          0.24611230194568634F,
          0.33791524171829224F,
          0.44070982933044434F,
          0.5626170039176941F,
          0.7229568362236023F,
          1.0F};
}

// fp4: a sign, two bits of exponent and one of fraction.
consteval std::array<float, 16> floatLevels() {
  return {0.0F,          0.0625F / 12.0F, 8.0F / 12.0F,  12.0F / 12.0F,    4.0F / 12.0F,  6.0F / 12.0F,
          2.0F / 12.0F,  3.0F / 12.0F,    -0.0F,         -0.0625F / 12.0F, -8.0F / 12.0F, -12.0F / 12.0F,
          -4.0F / 12.0F, -6.0F / 12.0F,   -2.0F / 12.0F, -3.0F / 12.0F};
}

}  // namespace bidora
