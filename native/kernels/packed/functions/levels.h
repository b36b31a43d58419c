// The values of a granule's codes: the codes select its levels, of which there are 16 or 32, or they are integers to be
// scaled.
#pragma once

#include <array>

#include "codes.h"
#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

// A product that is rounded before it is added to; the compiler would fuse both.
template <typename V>
[[gnu::always_inline]] inline V rounded(V product) {
#if defined(__aarch64__)
  asm("" : "+w"(product));
#elif defined(__AVX512F__)
  asm("" : "+v"(product));
#elif defined(BIDORA_X86_VARIANTS)
  asm("" : "+x"(product));
#endif
  return product;
}

constexpr float kCount[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

// The levels: in registers where a vector holds 16.
#if defined(__AVX512BW__)

struct Levels {
  __m512 low, high;  // of codes 0 … 15 and 16 … 31

  // table[code]·scale for codes of four bits, whatever their fifth bit is.
  [[gnu::always_inline]] static Levels scaled(const std::array<float, 16>& table, float scale) {
    const __m512 values = _mm512_mul_ps(_mm512_loadu_ps(table.data()), _mm512_set1_ps(scale));
    return {values, values};
  }
  // (code − zero)·scale, or + offset, for codes of four or five bits.
  template <bool kHasFifthBit, bool kHasOffset>
  [[gnu::always_inline]] static Levels linear(float zero, float scale, float offset) {
    const auto of = [&](const float* codes) {
      const __m512 count = _mm512_sub_ps(_mm512_loadu_ps(codes), _mm512_set1_ps(zero));
      const __m512 values = _mm512_mul_ps(count, _mm512_set1_ps(scale));
      return kHasOffset ? _mm512_add_ps(rounded(values), _mm512_set1_ps(offset)) : values;
    };
    const __m512 low = of(kCount);
    return {low, kHasFifthBit ? of(kCount + 16) : low};
  }
};

// The values rounded to T.
template <typename T>
struct Table;
template <>
struct Table<float> {
  __m512 low, high;

  [[gnu::always_inline]] explicit Table(const Levels& levels) : low(levels.low), high(levels.high) {}
  [[gnu::always_inline]] void write(__m512i codes, float* to) const {
    _mm512_storeu_ps(to, of(_mm512_castsi512_si256(codes)));
    _mm512_storeu_ps(to + 16, of(_mm512_extracti64x4_epi64(codes, 1)));
  }

 private:
  [[gnu::always_inline]] __m512 of(__m256i codes) const {
    return _mm512_permutex2var_ps(low, _mm512_cvtepu16_epi32(codes), high);
  }
};
template <>
struct Table<Bfloat16> {
  __m512i values;

  [[gnu::always_inline]] explicit Table(const Levels& levels) {
    const auto half = [](__m512 x) { return (__m256i)roundedNumbers((Vector<float>)x); };
    values = _mm512_inserti64x4(_mm512_castsi256_si512(half(levels.low)), half(levels.high), 1);
  }
  [[gnu::always_inline]] void write(__m512i codes, Bfloat16* to) const {
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(codes, values));
  }
};

// Codes in words, of which bits above the fifth do not count.
using Places = __m512i;
[[gnu::always_inline]] inline Places placesOf(Codes codes) { return _mm512_cvtepu8_epi16((__m256i)codes); }
// Those of bytes with two codes each, the first in the high half; the fifth bit is any.
[[gnu::always_inline]] inline Places placesOfHalves(HalfCodes bytes) {
  const __m512i spread = _mm512_cvtepu8_epi32((__m128i)bytes);
  return _mm512_or_si512(_mm512_srli_epi32(spread, 4), _mm512_slli_epi32(spread, 16));
}

#else

struct Levels {
  alignas(kVectorBytes) float of[kGranule];

  [[gnu::always_inline]] static Levels scaled(const std::array<float, 16>& table, float scale) {
    Levels levels;
    for (int64_t i = 0; i < 16; i += kLanes<float>) {
      const Vector<float> values = load(table.data() + i) * scale;
      store(levels.of + i, values);
      store(levels.of + 16 + i, values);
    }
    return levels;
  }
  template <bool kHasFifthBit, bool kHasOffset>
  [[gnu::always_inline]] static Levels linear(float zero, float scale, float offset) {
    Levels levels;
    for (int64_t i = 0; i < kGranule; i += kLanes<float>) {
      const Vector<float> values = (load(kCount + i) - zero) * scale;
      store(levels.of + i, kHasOffset ? rounded<Vector<float> >(values) + offset : values);
    }
    return levels;
  }
};

template <typename T>
struct Table {
  T values[kGranule];

  [[gnu::always_inline]] explicit Table(const Levels& levels) { writeNumbers(levels.of, kGranule, values); }
  [[gnu::always_inline]] void write(Codes codes, T* to) const {
    for (int64_t i = 0; i < kGranule; ++i) to[i] = values[codes[i]];
  }
};

using Places = Codes;
[[gnu::always_inline]] inline Places placesOf(Codes codes) { return codes; }
[[gnu::always_inline]] inline Places placesOfHalves(HalfCodes bytes) { return joined<InTurns>(bytes >> 4, bytes & 15); }

#endif

// code·scale for each signed code; the granule's halves have scales of their own.
template <typename T>
[[gnu::always_inline]] inline void writeScaled(Codes codes, const float (&scales)[2], T* to) {
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t i = half * 16; i < half * 16 + 16; ++i)
      setNumber(to + i, static_cast<float>(static_cast<int8_t>(codes[i])) * scales[half]);
}
#if defined(__AVX512BW__)
template <typename T>
[[gnu::always_inline]] inline void storeScaled(__m128i codes, float scale, T* to) {
  storeNumbers(to,
               (Vector<float>)_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)), _mm512_set1_ps(scale)));
}
[[gnu::always_inline]] inline void writeScaled(Codes codes, const float (&scales)[2], Bfloat16* to) {
  storeScaled(_mm256_castsi256_si128((__m256i)codes), scales[0], to);
  storeScaled(_mm256_extracti128_si256((__m256i)codes, 1), scales[1], to + 16);
}
[[gnu::always_inline]] inline void writeScaled(Codes codes, const float (&scales)[2], float* to) {
  storeScaled(_mm256_castsi256_si128((__m256i)codes), scales[0], to);
  storeScaled(_mm256_extracti128_si256((__m256i)codes, 1), scales[1], to + 16);
}
#endif

}  // namespace bidora::BIDORA_VARIANT
