// Vectors as wide as the variant's registers, by a compiler extension.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/common/types.h"
#include "olderLibraries/symbolVersions.h"
#include "variant.h"

namespace bidora::BIDORA_VARIANT {

template <typename T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <typename T>
using Vector = typename VectorOf<T>::type;

template <typename T>
constexpr int64_t kLanes = kVectorBytes / sizeof(T);

template <typename T>
[[gnu::always_inline]] inline Vector<T> load(const T* from) {
  Vector<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <typename T, typename V>
[[gnu::always_inline]] inline void store(T* to, const V& v) {
  std::memcpy(to, &v, sizeof v);
}

// Lane i of the result is lane Places::at(i) of a followed by b.
template <typename Places, typename V, int... kPlace>
[[gnu::always_inline]] inline V shuffled(const V& a, const V& b, std::integer_sequence<int, kPlace...>) {
  return __builtin_shufflevector(a, b, Places::at(kPlace)...);
}
template <typename Places, int kCount, typename V>
[[gnu::always_inline]] inline V shuffled(const V& a, const V& b) {
  return shuffled<Places>(a, b, std::make_integer_sequence<int, kCount>());
}

// Lane i takes lane i + kHalf, modulo kCount.
template <int kHalf, int kCount>
struct Rotated {
  static constexpr int at(int place) { return (place + kHalf) % kCount; }
};

// combine(lane, lane + half) until one lane is left: from half the lanes down to 1.
template <typename T, int64_t kHalf, typename Combine>
[[gnu::always_inline]] inline T reduce(const Vector<T>& v, Combine combine) {
  if constexpr (kHalf == 0) return v[0];
  else {
    const Vector<T> upper = shuffled<Rotated<kHalf, kLanes<T>>, kLanes<T>>(v, v);
    return reduce<T, kHalf / 2>(combine(v, upper), combine);
  }
}

template <typename T>
[[gnu::always_inline]] inline T sumOf(const Vector<T>& v) {
  return reduce<T, kLanes<T> / 2>(v, [](const Vector<T>& a, const Vector<T>& b) { return a + b; });
}

// Halves of segments of kSegment lanes, first those of a and then those of b.
template <int kHalf, int kSegment, int kCount>
struct HalfSegments {
  static constexpr int at(int place) {
    const int lane = place % (kCount / 2), segment = lane / (kSegment / 2);
    return place / (kCount / 2) * kCount + (2 * segment + kHalf) * (kSegment / 2) + lane % (kSegment / 2);
  }
};

// Lane i is the sum of vector i's lanes, for as many vectors as lanes.
template <typename T, int kSegment = kLanes<T>>
[[gnu::always_inline]] inline Vector<T> sumsOf(const Vector<T>* vectors) {
  constexpr int kCount = kLanes<T>;
  if constexpr (kSegment == 1) return vectors[0];
  else {
    Vector<T> sums[kSegment / 2];
#pragma GCC unroll 8
    for (int64_t i = 0; i < kSegment / 2; ++i) {
      const Vector<T>&a = vectors[2 * i], &b = vectors[2 * i + 1];
      sums[i] = shuffled<HalfSegments<0, kSegment, kCount>, kCount>(a, b) +
                shuffled<HalfSegments<1, kSegment, kCount>, kCount>(a, b);
    }
    return sumsOf<T, kSegment / 2>(sums);
  }
}

template <typename T>
[[gnu::always_inline]] inline T maxOf(const Vector<T>& v) {
  return reduce<T, kLanes<T> / 2>(v, [](const Vector<T>& a, const Vector<T>& b) { return a > b ? a : b; });
}

// eˣ, exact but for the last one or two bits; 0 below the smallest normal number. For x ≤ 88.
[[gnu::always_inline]] inline Vector<float> exponential(Vector<float> x) {
  constexpr float kLowest = -87.3F, kLog2e = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kToInteger = 12582912.0F;  // adding it puts the nearest integer into the lowest bits
  const auto isZero = x < kLowest;
  const Vector<float> clamped = isZero ? Vector<float>{} + kLowest : x;
  const Vector<float> shifted = clamped * kLog2e + kToInteger;
  const Vector<float> n = shifted - kToInteger;
  const Vector<float> r = (clamped - n * kLn2High) - n * kLn2Low;
  Vector<float> y = r * 1.9875691500e-4F + 1.3981999507e-3F;
  y = y * r + 8.3334519073e-3F;
  y = y * r + 4.1665795894e-2F;
  y = y * r + 1.6666665459e-1F;
  y = y * r + 5.0000001201e-1F;
  y = y * (r * r) + r + 1.0F;
  const Vector<int32_t> power = (__builtin_convertvector(n, Vector<int32_t>) + 127) << 23;
  Vector<float> factor;
  std::memcpy(&factor, &power, sizeof factor);
  return isZero ? Vector<float>{} : y * factor;
}

[[gnu::always_inline]] inline Vector<double> exponential(Vector<double> x) {
  for (int64_t i = 0; i < kLanes<double>; ++i) x[i] = __builtin_exp(x[i]);
  return x;
}

[[gnu::always_inline]] inline float logarithm(float x) { return __builtin_logf(x); }
[[gnu::always_inline]] inline double logarithm(double x) { return __builtin_log(x); }
[[gnu::always_inline]] inline float root(float x) { return __builtin_sqrtf(x); }
[[gnu::always_inline]] inline double root(double x) { return __builtin_sqrt(x); }

[[gnu::always_inline]] inline int64_t lesser(int64_t a, int64_t b) { return b < a ? b : a; }
[[gnu::always_inline]] inline int64_t greater(int64_t a, int64_t b) { return b > a ? b : a; }
[[gnu::always_inline]] inline int64_t roundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace bidora::BIDORA_VARIANT
