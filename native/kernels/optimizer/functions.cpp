// AdamW with its state in 8 bits, of one ISA variant.
#include "functions.h"

#include <cfloat>

#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

namespace {

[[gnu::always_inline]] inline Vector<float> roots(Vector<float> x) {
#if defined(__AVX512F__)
  return (Vector<float>)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (Vector<float>)_mm256_sqrt_ps((__m256)x);
#elif defined(__aarch64__)
  return (Vector<float>)vsqrtq_f32((float32x4_t)x);
#else
  for (int64_t i = 0; i < kLanes<float>; ++i) x[i] = root(x[i]);
  return x;
#endif
}
[[gnu::always_inline]] inline Vector<double> roots(Vector<double> x) {
  for (int64_t i = 0; i < kLanes<double>; ++i) x[i] = root(x[i]);
  return x;
}

template <typename Sum>
void decode(const State8bit& state, int64_t block, int64_t count, Sum* __restrict to) {
  const uint8_t* __restrict codes = state.codes + block * kStateBlock;
  const float* __restrict values = state.of->values;
  const float scale = state.scales[block];
  for (int64_t i = 0; i < count; ++i) to[i] = values[codes[i]] * scale;
}

[[gnu::always_inline]] inline int32_t bucketOf(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  int32_t bucket = (bits & 0x7FFFFFFF) >> 16;
  bucket = bucket < kLowestBucket ? kLowestBucket : bucket;
  bucket = bucket > kHighestBucket ? kHighestBucket : bucket;
  return bucket - kLowestBucket + (bits < 0 ? kBuckets : 0);
}

// The largest absolute value of a whole block, which is padded with zeros.
template <typename Sum>
float scaleOf(const Sum* block) {
  Vector<Sum> most{};
  for (int64_t i = 0; i < kStateBlock; i += kLanes<Sum>) {
    const Vector<Sum> x = load(block + i), size = x < 0 ? -x : x;
    most = size > most ? size : most;
  }
  return static_cast<float>(maxOf<Sum>(most));
}

template <typename Sum>
void encode(const Sum* from, int64_t count, const State8bit& state, int64_t block) {
  uint8_t* codes = state.codes + block * kStateBlock;
  const float scale = scaleOf(from);
  state.scales[block] = scale;
  if (scale == 0) {
    std::memset(codes, 0, count);
    return;
  }
  const float inverse = 1 / (scale < FLT_MIN ? FLT_MIN : scale);
  const int32_t* __restrict firsts = state.of->firsts;
  const float* __restrict middles = state.of->middles;
  float shares[kStateBlock];
  int32_t buckets[kStateBlock];
#pragma omp simd
  for (int64_t i = 0; i < kStateBlock; ++i) {
    shares[i] = static_cast<float>(from[i]) * inverse;
    buckets[i] = bucketOf(shares[i]);
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t first = firsts[buckets[i]];
    codes[i] = static_cast<uint8_t>(first + (shares[i] > middles[first] ? 1 : 0));
  }
}

template <typename T>
void adamw8bit(T* parameter, const T* gradient, const State8bit& mean, const State8bit& meanSquare, int64_t count,
               const AdamWStep& by) {
  using Sum = SumOf<T>;
  const auto beta1 = static_cast<Sum>(by.beta1), rest1 = static_cast<Sum>(1 - by.beta1);
  const auto beta2 = static_cast<Sum>(by.beta2), rest2 = static_cast<Sum>(1 - by.beta2);
  const auto keep = static_cast<Sum>(by.keep), step = static_cast<Sum>(by.step);
  const auto divisor = static_cast<Sum>(by.root), epsilon = static_cast<Sum>(by.epsilon);
  for (int64_t block = 0; block * kStateBlock < count; ++block) {
    alignas(64) Sum means[kStateBlock] = {}, squares[kStateBlock] = {};
    T* p = parameter + block * kStateBlock;
    const T* g = gradient + block * kStateBlock;
    const int64_t size = lesser(kStateBlock, count - block * kStateBlock);
    decode(mean, block, size, means);
    decode(meanSquare, block, size, squares);
    forEachVector<Sum>(size, [&](int64_t i, int64_t lanes) {
      const Vector<Sum> slope = loadSome(g + i, lanes);
      const Vector<Sum> m = load(means + i) * beta1 + slope * rest1;
      const Vector<Sum> v = load(squares + i) * beta2 + slope * rest2 * slope;
      store(means + i, m);
      store(squares + i, v);
      storeSome<Sum>(p + i, loadSome(p + i, lanes) * keep - m * step / (roots(v) / divisor + epsilon), lanes);
    });
    encode(means, size, mean, block);
    encode(squares, size, meanSquare, block);
  }
}

}  // namespace

BIDORA_DEFINE_TABLE(OptimizerFunctions, .adamw8bit = adamw8bit<T>)

}  // namespace bidora::BIDORA_VARIANT
