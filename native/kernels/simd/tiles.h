// Small matrix products in registers. A word is one lane's operand of a multiplication: a number, or two bfloat16
// numbers, whose two products are added. C[m][n] = Σₖ A[m][k]·B[k][n], with k counted in words.
#pragma once

#include "vectors.h"

namespace bidora::BIDORA_VARIANT {

// Two bfloat16 numbers, the first in the low half. May alias bfloat16 numbers in memory.
struct [[gnu::may_alias]] Pair {
  uint32_t bits;
};

// The types in which a tensor's type is computed.
template <typename Storage>
struct Arithmetic {
  using Word = float;
  using Sum = float;
  static constexpr int64_t kPerWord = 1;
};
template <>
struct Arithmetic<double> {
  using Word = double;
  using Sum = double;
  static constexpr int64_t kPerWord = 1;
};
#ifdef BIDORA_BFLOAT16_PAIRS
template <>
struct Arithmetic<Bfloat16> {
  using Word = Pair;
  using Sum = float;
  static constexpr int64_t kPerWord = 2;
};
#endif

// a·b + c, rounded once if the variant has FMA. The compiler might fuse it in some tiles and not in others, and an
// element's bits would depend on its tile.
#if defined(__aarch64__)
[[gnu::always_inline]] inline Vector<float> fused(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
[[gnu::always_inline]] inline Vector<double> fused(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#elif defined(__AVX512F__)
[[gnu::always_inline]] inline Vector<float> fused(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
[[gnu::always_inline]] inline Vector<double> fused(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
#elif defined(__FMA__)
[[gnu::always_inline]] inline Vector<float> fused(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
[[gnu::always_inline]] inline Vector<double> fused(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
#else
template <typename V>
[[gnu::always_inline]] inline V fused(V a, V b, V c) {
  return a * b + c;
}
#endif

[[gnu::always_inline]] inline void addProduct(Vector<float>& sum, float a, const float* b) {
  sum = fused(a - Vector<float>{}, load(b), sum);
}
[[gnu::always_inline]] inline void addProduct(Vector<double>& sum, double a, const double* b) {
  sum = fused(a - Vector<double>{}, load(b), sum);
}

// sum += a·b, word by word.
[[gnu::always_inline]] inline void addWords(Vector<float>& sum, float a, const Vector<float>& b) {
  sum = fused(a - Vector<float>{}, b, sum);
}
#ifdef BIDORA_BFLOAT16_PAIRS
[[gnu::always_inline]] inline void addWords(Vector<float>& sum, Pair a, const Vector<float>& b) {
#ifdef __aarch64__
  sum = (Vector<float>)vbfdotq_f32((float32x4_t)sum, vreinterpretq_bf16_u32(vdupq_n_u32(a.bits)),
                                   vreinterpretq_bf16_f32((float32x4_t)b));
#else
  sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(static_cast<int>(a.bits)), (__m512bh)b);
#endif
}
[[gnu::always_inline]] inline void addProduct(Vector<float>& sum, Pair a, const Pair* b) {
  Vector<float> words;
  std::memcpy(&words, b, sizeof words);
  addWords(sum, a, words);
}
#endif

// A left operand: word (m, k) is at data[m·rowStride + k·depthStride].
template <typename Word>
struct Left {
  const Word* data;
  int64_t rowStride;
  int64_t depthStride;
};

// Cache lines of the next operand, prefetched one for each step of the depth.
struct Ahead {
  const char* line = nullptr;
  int64_t step = 0;
};

template <typename Word, typename Sum, int kRows, int kVectors, bool kFetches = false>
[[gnu::always_inline]] inline void tile(Left<Word> a, const Word* b, int64_t bStride, Sum* c, int64_t cStride,
                                        int64_t depth, bool accumulate, Ahead ahead = {}) {
  constexpr int64_t kWide = kLanes<Sum>;
  Vector<Sum> sums[kRows][kVectors];
#pragma GCC unroll 12
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) sums[m][n] = accumulate ? load(c + m * cStride + n * kWide) : Vector<Sum>{};
  for (int64_t k = 0; k < depth; ++k) {
    if constexpr (kFetches) __builtin_prefetch(ahead.line + k * ahead.step, 0, 2);
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) {
      const Word word = a.data[m * a.rowStride + k * a.depthStride];
#pragma GCC unroll 4
      for (int n = 0; n < kVectors; ++n) addProduct(sums[m][n], word, b + k * bStride + n * kWide);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < kRows; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) store(c + m * cStride + n * kWide, sums[m][n]);
}

template <typename Word, typename Sum, int kVectors>
void column(Left<Word> a, const Word* b, int64_t bStride, Sum* c, int64_t cStride, int64_t rows, int64_t depth,
            bool accumulate) {
  constexpr int kTall = kVectors == 4 || !kHasManyRegisters ? 4 : 8;
  int64_t m = 0;
  const auto at = [&](int64_t row) { return Left<Word>{a.data + row * a.rowStride, a.rowStride, a.depthStride}; };
  for (; m + kTall <= rows; m += kTall)
    tile<Word, Sum, kTall, kVectors>(at(m), b, bStride, c + m * cStride, cStride, depth, accumulate);
  for (; m < rows; m += 4) tile<Word, Sum, 4, kVectors>(at(m), b, bStride, c + m * cStride, cStride, depth, accumulate);
}

// `rows` is a multiple of 4, `columns` of the lanes; rows of b and c have at least `columns` elements.
template <typename Word, typename Sum>
void product(Left<Word> a, const Word* b, int64_t bStride, Sum* c, int64_t cStride, int64_t rows, int64_t columns,
             int64_t depth, bool accumulate) {
  int64_t left = columns / kLanes<Sum>;
  while (left > 0) {
    const int64_t take = !kHasManyRegisters ? lesser(left, 2) : left >= 6 || left == 4 ? 4 : left == 5 ? 3 : left;
    switch (take) {
      case 4: column<Word, Sum, 4>(a, b, bStride, c, cStride, rows, depth, accumulate); break;
      case 3: column<Word, Sum, 3>(a, b, bStride, c, cStride, rows, depth, accumulate); break;
      case 2: column<Word, Sum, 2>(a, b, bStride, c, cStride, rows, depth, accumulate); break;
      default: column<Word, Sum, 1>(a, b, bStride, c, cStride, rows, depth, accumulate);
    }
    left -= take;
    b += take * kLanes<Sum>;
    c += take * kLanes<Sum>;
  }
}

}  // namespace bidora::BIDORA_VARIANT
