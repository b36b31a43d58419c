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

// One row: sums += gradient·(value − b) and scaled = gradient·g, whichever is asked for.
template <bool kSums, bool kScaled, typename T, typename Sum = SumOf<T>>
void gainRowBackward(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums) {
  int64_t i = 0;
  for (; i + kLanes<Sum> <= gain.columns; i += kLanes<Sum>) {
    const Vector<Sum> of = loadWide(gradient + i);
    if constexpr (kSums) {
      const Vector<Sum> b = gain.bias ? loadWide(gain.bias + i) : Vector<Sum>{};
      store(sums + i, load(sums + i) + of * (loadWide(value + i) - b));
    }
    if constexpr (kScaled) {
      Sum product[kLanes<Sum>];
      store(product, of * load(gain.gain + i));
      writeNumbers(product, kLanes<Sum>, scaled + i);
    }
  }
  for (; i < gain.columns; ++i) {
    const Sum of = wide(gradient[i]);
    if constexpr (kSums) sums[i] += of * (wide(value[i]) - (gain.bias ? wide(gain.bias[i]) : Sum{0}));
    if constexpr (kScaled) setNumber(scaled + i, of * gain.gain[i]);
  }
}

// Row after row, as they lie in memory: the sums of all columns stay in the nearest cache.
template <typename T, typename Sum = SumOf<T>>
void gainBackward(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums, int64_t rows) {
  if (sums) std::memset(static_cast<void*>(sums), 0, gain.columns * sizeof(Sum));
  for (int64_t row = 0; row < rows; ++row, gradient += gain.columns) {
    const int64_t at = row * gain.columns;
    if (sums && scaled) gainRowBackward<true, true>(gain, gradient, value + at, scaled + at, sums);
    else if (sums) gainRowBackward<true, false>(gain, gradient, value + at, scaled, sums);
    else if (scaled) gainRowBackward<false, true>(gain, gradient, value, scaled + at, sums);
  }
}

}  // namespace bidora::BIDORA_LEVEL
