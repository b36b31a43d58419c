// Rows of norm(residual + dropout(x)) or of norm(x), forward and backward: LayerNorm, or RMSNorm, whose mean is taken
// as 0.
#include "functions.h"
#include "kernels/dropout/dropRange.h"

namespace bidora::BIDORA_VARIANT {

template <typename Sum>
struct Statistics {
  Sum mean, inverse;
};

// Mean and 1 / √(variance + ε) of a row.
template <typename Sum>
Statistics<Sum> statistics(const Sum* row, int64_t size, double epsilon, bool isCentered) {
  Sum total = 0, squares = 0;
  if (isCentered) {
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
  if (isActive(norm.dropping)) dropRow(x, row, at, size, norm.dropping);
  else
    for (int64_t d = 0; d < size; ++d) row[d] = wide(x[d]);
  if (norm.residual) {
    const T* residual = norm.residual + at;
    T* sum = norm.sum + at;
    // Rounded before normalization, so that the backward pass sees the same values.
    for (int64_t d = 0; d < size; ++d) row[d] += wide(residual[d]);
    writeNumbers(row, size, sum);
    for (int64_t d = 0; d < size; ++d) row[d] = wide(sum[d]);
  }
  const auto [mean, inverse] = statistics(row, size, norm.epsilon, norm.isCentered);
  const T *weight = norm.weight, *bias = norm.bias;
  for (int64_t d = 0; d < size; ++d)
    row[d] = (row[d] - mean) * inverse * wide(weight[d]) + (bias ? wide(bias[d]) : Sum{0});
  writeNumbers(row, size, norm.out + at);
  norm.stats[2 * i] = mean;
  norm.stats[2 * i + 1] = inverse;
}

template <typename T, typename Sum = SumOf<T>>
void normRows(const Norm<T>& norm, int64_t begin, int64_t end, Sum* scratch) {
  for (int64_t i = begin; i < end; ++i) normRow(norm, i, scratch);
}

// The gradient of a row of sums: inverse·(g∘weight − mean(g∘weight) − n·mean(g∘weight∘n)), n the normalized row.
// Without centering there is no mean of g∘weight.
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
  const Sum constant = norm.isCentered ? total / size : 0, slope = along * inverse * inverse / size;
  for (int64_t d = 0; d < size; ++d) row[d] = inverse * (row[d] - constant - (wide(sum[d]) - mean) * slope);
}

template <typename T, typename Sum = SumOf<T>>
void normRowsBackward(const NormGradient<T>& norm, int64_t begin, int64_t end, Sum* scratch) {
  const int64_t size = norm.size;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i * size;
    sumGradient(norm, at, norm.stats[2 * i], norm.stats[2 * i + 1], scratch);
    if (norm.toSum)
      for (int64_t d = 0; d < size; ++d) scratch[d] += wide(norm.toSum[at + d]);
    writeNumbers(scratch, size, norm.ofSum + at);
    if (isActive(norm.dropping)) dropRow(scratch, norm.ofX + at, at, size, norm.dropping);
  }
}

// The tangents of norm(residual + dropout(x)) or norm(x) and of their gradients, row by row.
//
//   s = residual + dropout(x), n = (s − mean s)·i, i = 1 / √(variance + ε), y = n∘weight + bias
//   ṅ = i·(ṡ − mean ṡ − n·mean(n∘ṡ)), where without centering both means of s are 0

// A thread's scratch rows.
template <typename Sum>
struct NormScratch {
  Sum *n, *nd, *a, *ad;
};

// A row of residual + dropout(x), rounded to the tensor's type; null means 0.
template <typename T, typename Sum>
void summed(const T* x, const T* residual, int64_t at, int64_t size, const Dropping& dropping, Sum* row) {
  if (!x) std::memset(row, 0, size * sizeof(Sum));
  else if (isActive(dropping)) dropRow(x + at, row, at, size, dropping);
  else
    for (int64_t d = 0; d < size; ++d) row[d] = wide(x[at + d]);
  for (int64_t d = 0; d < size; ++d) {
    T rounded;
    setNumber(&rounded, row[d] + (residual ? wide(residual[at + d]) : Sum{0}));
    row[d] = wide(rounded);
  }
}

// The mean of a row, which is 0 without centering, and of its product with another row.
template <typename Sum>
struct Means {
  Sum own, along;
};
template <typename Sum>
Means<Sum> meansOf(const Sum* row, const Sum* other, int64_t size, bool isCentered) {
  Sum total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
  for (int64_t d = 0; d < size; ++d) {
    total += row[d];
    along += row[d] * other[d];
  }
  return {isCentered ? total / size : 0, along / size};
}

// 1 / √(variance + ε) of a row, and its tangent.
template <typename Sum>
struct Inverse {
  Sum value, tangent;
};

// Writes n and ṅ of row i to the scratch rows; `sumTangent`, unless null, receives ṡ.
template <typename T, typename Sum = SumOf<T>>
Inverse<Sum> normalize(const NormTangent<T>& norm, int64_t at, T* sumTangent, const NormScratch<Sum>& scratch) {
  const int64_t size = norm.size;
  summed(norm.x, norm.residual, at, size, norm.dropping, scratch.n);
  const auto [mean, inverse] = statistics(scratch.n, size, norm.epsilon, norm.isCentered);
  for (int64_t d = 0; d < size; ++d) scratch.n[d] = (scratch.n[d] - mean) * inverse;
  summed(norm.xd, norm.residuald, at, size, norm.dropping, scratch.nd);
  if (sumTangent) writeNumbers(scratch.nd, size, sumTangent + at);
  const auto [own, along] = meansOf(scratch.nd, scratch.n, size, norm.isCentered);
  for (int64_t d = 0; d < size; ++d) scratch.nd[d] = inverse * (scratch.nd[d] - own - scratch.n[d] * along);
  return {inverse, -inverse * inverse * along};
}

template <typename T, typename Sum = SumOf<T>>
NormScratch<Sum> partsOf(Sum* scratch, int64_t size) {
  return {scratch, scratch + size, scratch + 2 * size, scratch + 3 * size};
}

// `scratch` holds four rows.
template <typename T, typename Sum = SumOf<T>>
void normTangent(const NormTangent<T>& norm, T* normed, T* sum, int64_t begin, int64_t end, Sum* scratch) {
  const int64_t size = norm.size;
  const NormScratch<Sum> parts = partsOf<T>(scratch, size);
  for (int64_t i = begin; i < end; ++i) {
    normalize(norm, i * size, sum, parts);
    for (int64_t d = 0; d < size; ++d) parts.nd[d] *= wide(norm.weight[d]);
    writeNumbers(parts.nd, size, normed + i * size);
  }
}

// Writes a row of a gradient: `row` plus the direct gradient of the sum.
template <typename T, typename Sum>
void writeGradient(Sum* row, const T* direct, int64_t at, const NormTangent<T>& norm, T* ofX, T* ofResidual) {
  const int64_t size = norm.size;
  if (direct)
    for (int64_t d = 0; d < size; ++d) row[d] += wide(direct[at + d]);
  if (ofResidual) writeNumbers(row, size, ofResidual + at);
  if (isActive(norm.dropping)) dropRow(row, ofX + at, at, size, norm.dropping);
  else writeNumbers(row, size, ofX + at);
}

// With a = g∘weight and c = mean(a∘n): the gradient of s is i·(a − mean a − n·c), its tangent
// i̇·(a − mean a − n·c) + i·(ȧ − mean ȧ − ṅ·c − n·ċ), ċ = mean(ȧ∘n + a∘ṅ).
template <typename T, typename Sum = SumOf<T>>
void normTangentBackward(const NormTangent<T>& norm, const NormTangentGradient<T>& of, int64_t begin, int64_t end,
                         Sum* scratch) {
  const int64_t size = norm.size;
  const NormScratch<Sum> parts = partsOf<T>(scratch, size);
  const auto& [n, nd, a, ad] = parts;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t at = i * size;
    const Inverse<Sum> inverse = normalize(norm, at, static_cast<T*>(nullptr), parts);
    for (int64_t d = 0; d < size; ++d) a[d] = wide(of.normed[at + d]) * wide(norm.weight[d]);
    for (int64_t d = 0; d < size; ++d)
      ad[d] = of.normedTangent ? wide(of.normedTangent[at + d]) * wide(norm.weight[d]) : Sum{0};
    const auto [mean, slope] = meansOf(a, n, size, norm.isCentered);
    const auto [meanTangent, alongN] = meansOf(ad, n, size, norm.isCentered);
    const Sum slopeTangent = alongN + meansOf(a, nd, size, false).along;
    for (int64_t d = 0; d < size; ++d) {
      const Sum core = a[d] - mean - n[d] * slope;
      ad[d] = inverse.tangent * core + inverse.value * (ad[d] - meanTangent - nd[d] * slope - n[d] * slopeTangent);
      a[d] = inverse.value * core;
    }
    writeGradient(a, of.sum, at, norm, of.ofX, of.ofResidual);
    writeGradient(ad, of.sumTangent, at, norm, of.ofXTangent, of.ofResidualTangent);
  }
}

BIDORA_DEFINE_TABLE(NormFunctions, .norm = normRows<T>, .normBackward = normRowsBackward<T>,
                    .normTangent = normTangent<T>, .normTangentBackward = normTangentBackward<T>)

}  // namespace bidora::BIDORA_VARIANT
