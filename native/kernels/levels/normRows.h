// Rows of norm(residual + dropout(x)) or of norm(x), forward and backward: LayerNorm, or RMSNorm, whose mean counts as
// 0.
#pragma once

#include "dropoutRange.h"

namespace bidora::BIDORA_LEVEL {

template <typename Sum>
struct Statistics {
  Sum mean, inverse;
};

// Mean and 1 / √(variance + ε) of a row.
template <typename Sum>
Statistics<Sum> statistics(const Sum* row, int64_t size, double epsilon, bool isCentred) {
  Sum total = 0, squares = 0;
  if (isCentred) {
#pragma omp simd reduction(+ : total)
    for (int64_t d = 0; d < size; ++d) total += row[d];
  }
  const Sum mean = total / size;
#pragma omp simd reduction(+ : squares)
  for (int64_t d = 0; d < size; ++d) squares += (row[d] - mean) * (row[d] - mean);
  return {mean, 1 / root(squares / size + static_cast<Sum>(epsilon))};
}

template <typename T, typename Sum = SumOf<T>>
void normRow(const Norm<T>& norm, int64_t i, Sum* row) {
  const int64_t size = norm.size, at = i * size;
  const T* x = norm.x + at;
  if (isActive(norm.dropping)) dropRange(x, row, at, size, norm.dropping);
  else
    for (int64_t d = 0; d < size; ++d) row[d] = wide(x[d]);
  if (norm.residual) {
    const T* residual = norm.residual + at;
    T* sum = norm.sum + at;
    // Rounded before it is normalised: the backward pass sees the same numbers.
    for (int64_t d = 0; d < size; ++d) row[d] += wide(residual[d]);
    writeNumbers(row, size, sum);
    for (int64_t d = 0; d < size; ++d) row[d] = wide(sum[d]);
  }
  const auto [mean, inverse] = statistics(row, size, norm.epsilon, norm.isCentred);
  const T *weight = norm.weight, *bias = norm.bias;
  for (int64_t d = 0; d < size; ++d)
    row[d] = (row[d] - mean) * inverse * wide(weight[d]) + (bias ? wide(bias[d]) : Sum{0});
  writeNumbers(row, size, norm.out + at);
  norm.stats[2 * i] = mean;
  norm.stats[2 * i + 1] = inverse;
}

template <typename T, typename Sum = SumOf<T>>
void normRows(const Norm<T>& norm, int64_t begin, int64_t end, Sum* room) {
  for (int64_t i = begin; i < end; ++i) normRow(norm, i, room);
}

// The gradient of a row of sums: inverse·(g∘weight − mean(g∘weight) − n·mean(g∘weight∘n)), n the normalised row.
// Without a centre the mean of g∘weight falls away.
template <typename T, typename Sum>
void sumGradient(const NormGradient<T>& norm, int64_t at, Sum mean, Sum inverse, Sum* row) {
  const T *g = norm.gradient + at, *sum = norm.sum + at, *weight = norm.weight;
  const int64_t size = norm.size;
  Sum total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
  for (int64_t d = 0; d < size; ++d) {
    row[d] = wide(g[d]) * wide(weight[d]);
    total += row[d];
    along += row[d] * (wide(sum[d]) - mean);
  }
  const Sum constant = norm.isCentred ? total / size : 0, slope = along * inverse * inverse / size;
  for (int64_t d = 0; d < size; ++d) row[d] = inverse * (row[d] - constant - (wide(sum[d]) - mean) * slope);
}

template <typename T, typename Sum = SumOf<T>>
void normRowsBackward(const NormGradient<T>& norm, int64_t begin, int64_t end, Sum* room) {
  const int64_t size = norm.size;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i * size;
    sumGradient(norm, at, norm.stats[2 * i], norm.stats[2 * i + 1], room);
    if (norm.toSum)
      for (int64_t d = 0; d < size; ++d) room[d] += wide(norm.toSum[at + d]);
    writeNumbers(room, size, norm.ofSum + at);
    if (isActive(norm.dropping)) dropRange(room, norm.ofX + at, at, size, norm.dropping);
  }
}

}  // namespace bidora::BIDORA_LEVEL
