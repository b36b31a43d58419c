// Conversions between a tensor's storage type and the type of the computation, also of vectors of which only the first
// `count` elements are in memory.
#pragma once

#include "vectors.h"

namespace bidora::BIDORA_VARIANT {

#ifdef __AVX512F__

[[gnu::always_inline]] inline uint32_t firstLanes(int64_t count) {
  return static_cast<uint32_t>((uint64_t{1} << count) - 1);
}
// The other elements are 0.
[[gnu::always_inline]] inline Vector<float> loadFirst(const float* from, int64_t count) {
  return (Vector<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>(firstLanes(count)), from);
}
[[gnu::always_inline]] inline Vector<uint16_t> loadFirst(const uint16_t* from, int64_t count) {
  return (Vector<uint16_t>)_mm512_maskz_loadu_epi16(firstLanes(count), from);
}
[[gnu::always_inline]] inline void storeFirst(void* to, const Vector<float>& x, int64_t count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>(firstLanes(count)), (__m512)x);
}
template <typename Half>
[[gnu::always_inline]] inline void storeFirst(uint16_t* to, const Half& x, int64_t count) {
  _mm256_mask_storeu_epi16(to, static_cast<__mmask16>(firstLanes(count)), (__m256i)x);
}

#else

// The other elements are 0.
template <typename T>
[[gnu::always_inline]] inline Vector<T> loadFirst(const T* from, int64_t count) {
  if (count == kLanes<T>) return load(from);
  Vector<T> x{};
  std::memcpy(&x, from, count * sizeof(T));
  return x;
}
template <typename T, typename V>
[[gnu::always_inline]] inline void storeFirst(T* to, const V& x, int64_t count) {
  std::memcpy(static_cast<void*>(to), &x, count * sizeof(T));
}

#endif

[[gnu::always_inline]] inline float wide(float x) { return x; }
[[gnu::always_inline]] inline double wide(double x) { return x; }
[[gnu::always_inline]] inline float wide(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

// Rounds to nearest, ties to even.
[[gnu::always_inline]] inline void setNumber(float* to, float x) { *to = x; }
[[gnu::always_inline]] inline void setNumber(double* to, double x) { *to = x; }
[[gnu::always_inline]] inline void setNumber(Bfloat16* to, float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  to->bits = static_cast<uint16_t>(x != x ? 0x7FC0U : rounded);
}

template <typename Sum, typename T>
[[gnu::always_inline]] inline void writeNumbers(const Sum* from, int64_t count, T* to) {
  for (int64_t i = 0; i < count; ++i) setNumber(to + i, from[i]);
}

typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));

// Rounds to nearest, ties to even.
[[gnu::always_inline]] inline Halves roundedNumbers(Vector<float> x) {
#if defined(BIDORA_BFLOAT16_PAIRS) && defined(__aarch64__)
  return (Halves)vcvt_bf16_f32((float32x4_t)x);
#elif defined(BIDORA_BFLOAT16_PAIRS)
  return (Halves)_mm512_cvtneps_pbh((__m512)x);
#else
  Vector<uint32_t> bits;
  std::memcpy(&bits, &x, sizeof bits);
  const Vector<uint32_t> rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  const Vector<uint32_t> whole = x != x ? Vector<uint32_t>{} + 0x7FC0U : rounded;
  return __builtin_convertvector(whole, Halves);
#endif
}

[[gnu::always_inline]] inline Vector<float> loadWide(const Bfloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Vector<uint32_t> bits = __builtin_convertvector(halves, Vector<uint32_t>) << 16;
  Vector<float> wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}
[[gnu::always_inline]] inline Vector<float> loadWide(const float* from) { return load(from); }
[[gnu::always_inline]] inline Vector<double> loadWide(const double* from) { return load(from); }

[[gnu::always_inline]] inline void storeNumbers(float* to, Vector<float> x) { store(to, x); }
[[gnu::always_inline]] inline void storeNumbers(double* to, Vector<double> x) { store(to, x); }
[[gnu::always_inline]] inline void storeNumbers(Bfloat16* to, Vector<float> x) {
  const Halves halves = roundedNumbers(x);
  std::memcpy(to, &halves, sizeof halves);
}

#ifdef BIDORA_BFLOAT16_PAIRS
[[gnu::always_inline]] inline void writeNumbers(const float* from, int64_t count, Bfloat16* to) {
  int64_t i = 0;
  for (; i + kLanes<float> <= count; i += kLanes<float>) storeNumbers(to + i, load(from + i));
  if (i < count) storeFirst(&to[i].bits, roundedNumbers(loadFirst(from + i, count - i)), count - i);
}
#endif

// Loads the first `lanes` elements; the rest is 0.
template <typename T>
[[gnu::always_inline]] inline Vector<SumOf<T>> loadSome(const T* from, int64_t lanes) {
  if (lanes == kLanes<SumOf<T>>) return loadWide(from);
  T scratch[kLanes<SumOf<T>>] = {};
  std::memcpy(scratch, from, lanes * sizeof(T));
  return loadWide(scratch);
}
template <typename Sum, typename T>
[[gnu::always_inline]] inline void storeSome(T* to, Vector<Sum> x, int64_t lanes) {
  if (lanes == kLanes<Sum>) return storeNumbers(to, x);
  T scratch[kLanes<Sum>];
  storeNumbers(scratch, x);
  std::memcpy(to, scratch, lanes * sizeof(T));
}

// Calls use(index, lanes) for the vectors that cover 0 … count − 1; the last one may have fewer lanes.
template <typename Sum, typename Use>
[[gnu::always_inline]] inline void forEachVector(int64_t count, Use use) {
  int64_t i = 0;
  for (; i + kLanes<Sum> <= count; i += kLanes<Sum>) use(i, kLanes<Sum>);
  if (i < count) use(i, count - i);
}

// `count` elements, a multiple of the lanes: in place, or converted into `scratch` if they are bfloat16.
inline const float* widen(const Bfloat16* from, int64_t count, float* scratch) {
  for (int64_t i = 0; i < count; i += kLanes<float>) store(scratch + i, loadWide(from + i));
  return scratch;
}
template <typename T>
const T* widen(const T* from, int64_t, T*) {
  return from;
}

}  // namespace bidora::BIDORA_VARIANT
