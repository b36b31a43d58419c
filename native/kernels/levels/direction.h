// The numbers that the norms of DoRA's directions are made of; see directionNorm.cpp.
#pragma once

#include "attentionPacking.h"

namespace bidora::BIDORA_LEVEL {

template <typename T>
bool directionSquares(const DirectionTerms<T>& terms, T* squares) {
  for (int64_t i = 0; i < terms.rows; ++i) {
    T cross = 0, own = 0;
    for (int64_t k = i * terms.rank; k < (i + 1) * terms.rank; ++k) {
      cross += terms.projected[k] * terms.b[k];
      own += terms.turned[k] * terms.b[k];
    }
    const T positive = terms.base[i] + terms.scale * terms.scale * own, squared = positive + 2 * terms.scale * cross;
    if (!(squared > terms.cancellation * positive)) return false;
    squares[i] = squared;
  }
  return true;
}

constexpr int64_t kRowsAtOnce = 16;  // of the weight, widened: they should stay in the nearest cache
constexpr int64_t kDepthAtOnce = 256;

// Rows begin … end − 1 and columns from `column` on, `count` of them, as wide numbers [rows up to a multiple of 4,
// count].
template <typename T, typename Sum = SumOf<T>>
void widenPart(const Rows<const T>& weight, int64_t begin, int64_t end, int64_t column, int64_t count, Sum* to) {
  for (int64_t i = begin; i < end; ++i, to += count)
    for (int64_t j = 0; j < count; ++j) to[j] = wide(weight.data[i * weight.stride + column + j]);
  std::memset(static_cast<void*>(to), 0, (roundUp(end - begin, 4) - (end - begin)) * count * sizeof(Sum));
}

template <typename T, typename Sum = SumOf<T>>
void weightTimes(const WeightProduct<T>& call, int64_t begin, int64_t end) {
  Buffer<Sum> wideRows, sums;
  Sum* part = wideRows.need(kRowsAtOnce * kDepthAtOnce);
  Sum* sum = sums.need(kRowsAtOnce * call.width);
  for (int64_t row = begin; row < end; row += kRowsAtOnce) {
    const int64_t rows = lesser(kRowsAtOnce, end - row);
    std::memset(static_cast<void*>(sum), 0, kRowsAtOnce * call.width * sizeof(Sum));
    for (int64_t depth = 0; depth < call.in; depth += kDepthAtOnce) {
      const int64_t count = lesser(kDepthAtOnce, call.in - depth);
      widenPart(call.weight, row, row + rows, depth, count, part);
      product(Left<Sum>{part, count, 1}, call.other + depth * call.width, call.width, sum, call.width, roundUp(rows, 4),
              call.width, count, true);
    }
    std::memcpy(call.result + row * call.width, sum, rows * call.width * sizeof(Sum));
  }
}

template <typename T, typename Sum = SumOf<T>>
void timesWeight(const WeightProduct<T>& call, int64_t begin, int64_t end) {
  Buffer<Sum> wideRows, sums;
  const int64_t columns = end - begin, padded = roundUp(columns, kWidth);
  Sum* part = wideRows.need(kRowsAtOnce * padded);
  Sum* sum = sums.need(call.width * padded);
  std::memset(static_cast<void*>(part), 0, kRowsAtOnce * padded * sizeof(Sum));
  std::memset(static_cast<void*>(sum), 0, call.width * padded * sizeof(Sum));
  for (int64_t row = 0; row < call.out; row += kRowsAtOnce) {
    const int64_t rows = lesser(kRowsAtOnce, call.out - row);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        part[i * padded + j] = wide(call.weight.data[(row + i) * call.weight.stride + begin + j]);
    product(Left<Sum>{call.other + row, call.out, 1}, part, padded, sum, padded, call.width, padded, rows, true);
  }
  for (int64_t k = 0; k < call.width; ++k)
    std::memcpy(call.result + k * call.in + begin, sum + k * padded, columns * sizeof(Sum));
}

}  // namespace bidora::BIDORA_LEVEL
