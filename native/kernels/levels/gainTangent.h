// The magnitude's part of a DoRA layer along a direction: y = c ⊙ p + b with p and c moving. Shapes: N rows, O columns.
#pragma once

#include "gainRows.h"

namespace bidora::BIDORA_LEVEL {

// In place of ṗ, c ⊙ ṗ + ċ/c ⊙ (y − b).
template <typename T, typename Sum = SumOf<T>>
void gainTangent(const GainTangent<T>& by, const T* y, T* tangent, int64_t rows) {
  for (int64_t start = 0; start < by.columns; start += kPiece) {
    const int64_t count = lesser(kPiece, by.columns - start);
    const Sum *c = by.gain + start, *slope = by.slope ? by.slope + start : nullptr;
    Sum b[kPiece] = {}, result[kPiece];
    if (by.bias)
      for (int64_t i = 0; i < count; ++i) b[i] = wide(by.bias[start + i]);
    for (int64_t row = 0; row < rows; ++row) {
      T* at = tangent + row * by.columns + start;
      for (int64_t i = 0; i < count; ++i) result[i] = c[i] * wide(at[i]);
      if (slope) {
        const T* v = y + row * by.columns + start;
        for (int64_t i = 0; i < count; ++i) result[i] += slope[i] * (wide(v[i]) - b[i]);
      }
      writeNumbers(result, count, at);
    }
  }
}

// q = c ⊙ g and q̇ = ċ ⊙ g + c ⊙ ġ; sums of g ⊙ (y − b), of ġ ⊙ (y − b) and of g ⊙ ẏ by columns, one after the other.
template <typename T, typename Sum = SumOf<T>>
void gainTangentBackward(const GainTangentBackward<T>& by, int64_t begin, int64_t end, Sum* sums) {
  for (int64_t start = 0; start < by.columns; start += kPiece) {
    const int64_t count = lesser(kPiece, by.columns - start);
    const Sum *c = by.gain + start, *slope = by.gainDot ? by.gainDot + start : nullptr;
    Sum b[kPiece] = {}, plain[kPiece] = {}, changed[kPiece] = {}, moved[kPiece] = {}, product[kPiece];
    if (by.bias)
      for (int64_t i = 0; i < count; ++i) b[i] = wide(by.bias[start + i]);
    for (int64_t row = begin; row < end; ++row) {
      const int64_t at = row * by.columns + start;
      const T *g = by.gradient + at, *change = by.change ? by.change + at : nullptr;
      if (sums) {
        const T *y = by.y + at, *yDot = by.yDot ? by.yDot + at : nullptr;
        for (int64_t i = 0; i < count; ++i) plain[i] += wide(g[i]) * (wide(y[i]) - b[i]);
        if (change)
          for (int64_t i = 0; i < count; ++i) changed[i] += wide(change[i]) * (wide(y[i]) - b[i]);
        if (yDot)
          for (int64_t i = 0; i < count; ++i) moved[i] += wide(g[i]) * wide(yDot[i]);
      }
      if (by.q) {
        for (int64_t i = 0; i < count; ++i) product[i] = c[i] * wide(g[i]);
        writeNumbers(product, count, by.q + at);
      }
      if (!by.qDot) continue;
      for (int64_t i = 0; i < count; ++i) product[i] = slope ? slope[i] * wide(g[i]) : Sum{0};
      if (change)
        for (int64_t i = 0; i < count; ++i) product[i] += c[i] * wide(change[i]);
      writeNumbers(product, count, by.qDot + at);
    }
    if (!sums) continue;
    std::memcpy(sums + start, plain, count * sizeof(Sum));
    std::memcpy(sums + by.columns + start, changed, count * sizeof(Sum));
    std::memcpy(sums + 2 * by.columns + start, moved, count * sizeof(Sum));
  }
}

}  // namespace bidora::BIDORA_LEVEL
