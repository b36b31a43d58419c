// The magnitude's part of a DoRA layer: rows of z scaled column by column. Shapes: N rows, O columns, gain g and bias b
// [O].
#pragma once

#include "numbers.h"

namespace bidora::BIDORA_LEVEL {

constexpr int64_t kPiece = 256;  // columns at a time, so that what is computed stays in registers and the nearest cache

// As y + (y − b)·(g − 1): a gain of 1 changes no bit.
template <typename T, typename Sum = SumOf<T>>
void applyGain(const Gain<T>& gain, T* y, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t start = 0; start < gain.columns; start += kPiece) {
      const int64_t count = lesser(kPiece, gain.columns - start);
      T* at = y + row * gain.columns + start;
      const Sum* g = gain.gain + start;
      Sum scaled[kPiece];
      if (gain.bias) {
        const T* b = gain.bias + start;
        for (int64_t i = 0; i < count; ++i) {
          const Sum value = wide(at[i]);
          scaled[i] = value + (value - wide(b[i])) * (g[i] - 1);
        }
      } else {
        for (int64_t i = 0; i < count; ++i) {
          const Sum value = wide(at[i]);
          scaled[i] = value + value * (g[i] - 1);
        }
      }
      writeNumbers(scaled, count, at);
    }
  }
}

template <typename T, typename Sum = SumOf<T>>
void gainBackward(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums, int64_t rows) {
  for (int64_t start = 0; start < gain.columns; start += kPiece) {
    const int64_t count = lesser(kPiece, gain.columns - start);
    const Sum* by = gain.gain + start;
    Sum b[kPiece] = {}, total[kPiece] = {}, product[kPiece];
    if (gain.bias)
      for (int64_t i = 0; i < count; ++i) b[i] = wide(gain.bias[start + i]);
    for (int64_t row = 0; row < rows; ++row) {
      const T* g = gradient + row * gain.columns + start;
      if (sums) {
        const T* v = value + row * gain.columns + start;
        for (int64_t i = 0; i < count; ++i) total[i] += wide(g[i]) * (wide(v[i]) - b[i]);
      }
      if (!scaled) continue;
      for (int64_t i = 0; i < count; ++i) product[i] = wide(g[i]) * by[i];
      writeNumbers(product, count, scaled + row * gain.columns + start);
    }
    if (sums) std::memcpy(sums + start, total, count * sizeof(Sum));
  }
}

}  // namespace bidora::BIDORA_LEVEL
