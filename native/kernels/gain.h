// The magnitude's part of a DoRA layer: rows of z scaled column by column. Shapes: N rows, O columns, gain g and bias b [O].
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "dropoutRange.h"

namespace bidora {

constexpr int64_t kPiece = 256;       // columns at a time, so that what is computed stays in registers and the nearest cache
constexpr int64_t kBlockOfRows = 64;  // rows that are summed one after the other, whatever the number of threads

// y = b + (y − b)·g in place, as y + (y − b)·(g − 1): a gain of 1 changes no bit.
template <typename T, typename Sum = SumOf<T>>
void applyGain(T* y, const T* bias, const Sum* gain, int64_t rows, int64_t columns) {
  at::parallel_for(0, rows, kBlockOfRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t start = 0; start < columns; start += kPiece) {
        const int64_t count = std::min(kPiece, columns - start);
        T* at = y + row * columns + start;
        const Sum* g = gain + start;
        Sum scaled[kPiece];
        if (bias) {
          const T* b = bias + start;
          for (int64_t i = 0; i < count; ++i) {
            const Sum value = static_cast<Sum>(at[i]);
            scaled[i] = value + (value - static_cast<Sum>(b[i])) * (g[i] - 1);
          }
        } else {
          for (int64_t i = 0; i < count; ++i) {
            const Sum value = static_cast<Sum>(at[i]);
            scaled[i] = value + value * (g[i] - 1);
          }
        }
        writeNumbers(scaled, count, at);
      }
    }
  });
}

// From the gradient of y: scaled = gradient·g, and sums[o] = Σ_n gradient·(value − b). Either may be null.
template <typename T, typename Sum = SumOf<T>>
void gainBackward(const T* gradient, const T* value, const T* bias, const Sum* gain, T* scaled, Sum* sums, int64_t rows, int64_t columns) {
  const int64_t blocks = (rows + kBlockOfRows - 1) / kBlockOfRows;
  std::vector<Sum> partial(sums ? blocks * columns : 0);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t last = std::min(rows, (block + 1) * kBlockOfRows);
      for (int64_t start = 0; start < columns; start += kPiece) {
        const int64_t count = std::min(kPiece, columns - start);
        Sum b[kPiece] = {}, total[kPiece] = {}, product[kPiece];
        if (bias)
          for (int64_t i = 0; i < count; ++i) b[i] = static_cast<Sum>(bias[start + i]);
        for (int64_t row = block * kBlockOfRows; row < last; ++row) {
          const T* g = gradient + row * columns + start;
          if (sums) {
            const T* v = value + row * columns + start;
            for (int64_t i = 0; i < count; ++i) total[i] += static_cast<Sum>(g[i]) * (static_cast<Sum>(v[i]) - b[i]);
          }
          if (!scaled) continue;
          for (int64_t i = 0; i < count; ++i) product[i] = static_cast<Sum>(g[i]) * gain[start + i];
          writeNumbers(product, count, scaled + row * columns + start);
        }
        if (sums) std::copy(total, total + count, partial.begin() + block * columns + start);
      }
    }
  });
  if (!sums) return;
  std::fill(sums, sums + columns, Sum{0});
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t o = 0; o < columns; ++o) sums[o] += partial[block * columns + o];
}

}  // namespace bidora
