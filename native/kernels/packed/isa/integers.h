// Packed matrices as whole numbers, for products that add up whole numbers: an element is code·scale + offset. A
// decoder is made for a run of granules, which share a scale, and next() goes to the run after it.
#pragma once

#include <cmath>

#include "codecs.h"

namespace bidora::BIDORA_ISA {

typedef int16_t Shorts __attribute__((vector_size(64)));  // a granule

[[gnu::always_inline]] inline Shorts signedShorts(Codes codes) {
#ifdef __AVX512BW__
  return (Shorts)_mm512_cvtepi8_epi16((__m256i)codes);
#else
  typedef int8_t SignedCodes __attribute__((vector_size(32)));
  return __builtin_convertvector((SignedCodes)codes, Shorts);
#endif
}
[[gnu::always_inline]] inline Shorts shorts(Codes codes) {
#ifdef __AVX512BW__
  return (Shorts)_mm512_cvtepu8_epi16((__m256i)codes);
#else
  return __builtin_convertvector(codes, Shorts);
#endif
}

// numbers[code]
[[gnu::always_inline]] inline Shorts selected(const std::array<int16_t, 16>& numbers, Places codes) {
#if defined(__AVX512BW__)
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers.data()));
  return (Shorts)_mm512_permutexvar_epi16(codes, _mm512_broadcast_i64x4(half));
#else
  Shorts selected;
  for (int64_t i = 0; i < kGranule; ++i) selected[i] = numbers[codes[i]];
  return selected;
#endif
}

// `kUnit` times a table's values, rounded: fp4's are whole multiples of 1/192, nf4's error is at most 2⁻¹⁶.
template <typename Numbers, int kUnit>
consteval std::array<int16_t, 16> multiples() {
  std::array<int16_t, 16> numbers{};
  for (size_t i = 0; i < 16; ++i) {
    const float number = Numbers::kLevels[i] * kUnit;
    numbers[i] = static_cast<int16_t>(number < 0 ? number - 0.5F : number + 0.5F);
  }
  return numbers;
}

template <typename Numbers, int kUnit>
struct IntegerLevels {
  static constexpr int64_t kGranules = 1, kBytes = 16;
  static constexpr bool kHasOffsets = false;
  typedef float Offsets __attribute__((vector_size(4)));
  static constexpr std::array<int16_t, 16> kNumbers = multiples<Numbers, kUnit>();
  FourBits<Numbers> format;
  float scale;

  IntegerLevels(const PackedMatrix& matrix, int64_t granule) : format(matrix, granule) { readScale(matrix); }
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule) {
    if (format.next(matrix, granule)) readScale(matrix);
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix& matrix, int64_t granule, int64_t) const {
    return selected(kNumbers, format.places(matrix, granule));
  }

 private:
  [[gnu::always_inline]] void readScale(const PackedMatrix& matrix) {
    scale = scaleOf(matrix, format.block) * (1.0F / kUnit);
  }
};
using IntegerNf4 = IntegerLevels<NormalTable, 32767>;
using IntegerFp4 = IntegerLevels<FloatTable, 192>;

// int8 in rows.
struct IntegerBytes {
  static constexpr int64_t kGranules = 8, kBytes = 8 * kGranule;
  static constexpr bool kHasOffsets = false;
  typedef float Offsets __attribute__((vector_size(4)));
  float scale;

  IntegerBytes(const PackedMatrix& matrix, int64_t granule)
      : scale(matrix.scales[granule * kGranule / matrix.columns]) {}
  void next(const PackedMatrix&, int64_t) {}
  [[gnu::always_inline]] static Shorts codes(const PackedMatrix& matrix, int64_t granule, int64_t) {
    return signedShorts(loadCodes(matrix.codes + granule * kGranule));
  }
};

// ggml's blocks of 32.
template <typename Format>
struct IntegerBlock32 {
  static constexpr int64_t kGranules = 1, kBytes = Format::kBytes;
  static constexpr bool kHasOffsets = Format::kZero == 0;
  Format format;
  typedef float Offsets __attribute__((vector_size(4)));
  float scale;
  Offsets offsets;

  IntegerBlock32(const PackedMatrix& matrix, int64_t granule) : format(matrix, granule) { readScale(); }
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule) {
    format.next(matrix, granule);
    readScale();
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t) const {
    return shorts(format.codes()) - Format::kZero;
  }

 private:
  [[gnu::always_inline]] void readScale() {
    scale = format.scale();
    offsets[0] = format.offset();
  }
};
struct IntegerQ8_0 {
  static constexpr int64_t kGranules = 1, kBytes = Bytes32::kBytes;
  static constexpr bool kHasOffsets = false;
  typedef float Offsets __attribute__((vector_size(4)));
  const uint8_t* block;
  float scale;

  IntegerQ8_0(const PackedMatrix& matrix, int64_t granule)
      : block(matrix.codes + granule * Bytes32::kBytes), scale(halfAt(block)) {}
  [[gnu::always_inline]] void next(const PackedMatrix&, int64_t) {
    block += Bytes32::kBytes;
    scale = halfAt(block);
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t) const {
    return signedShorts(loadCodes(block + 2));
  }
};

// ggml's blocks of 256, whose granules have whole scales: their products with codes are at most 4096.
template <typename Format>
struct IntegerBlock256 {
  static constexpr int64_t kGranules = 8, kBytes = Format::kBytes;
  static constexpr bool kHasOffsets = true;
  typedef float Offsets __attribute__((vector_size(32)));
  typedef int16_t EightShorts __attribute__((vector_size(16)));
  Format format;
  float scale;
  Offsets offsets;
  int16_t scales[8];  // of the granules

  IntegerBlock256(const PackedMatrix& matrix, int64_t granule) : format(matrix, granule) { readScale(); }
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule) {
    format.next(matrix, granule);
    readScale();
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t i) const {
    return shorts(format.codes(i)) * scales[i];
  }

 private:
  [[gnu::always_inline]] static EightShorts shortsAt(const uint8_t* from) {
    typedef uint8_t Eight __attribute__((vector_size(8)));
    Eight bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return __builtin_convertvector(bytes, EightShorts);
  }
  [[gnu::always_inline]] void readScale() {
    scale = format.scale;
    const EightShorts ofOffsets = shortsAt(format.sixBits + 8), ofScales = shortsAt(format.sixBits);
    std::memcpy(scales, &ofScales, sizeof scales);
    typedef int32_t EightNumbers __attribute__((vector_size(32)));
    offsets = format.offset * __builtin_convertvector(__builtin_convertvector(ofOffsets, EightNumbers), Offsets);
  }
};
struct IntegerQ6_K {
  static constexpr int64_t kGranules = 8, kBytes = SixBits256::kBytes;
  static constexpr bool kHasOffsets = false;
  typedef float Offsets __attribute__((vector_size(4)));
  const uint8_t* block;
  float scale;

  IntegerQ6_K(const PackedMatrix& matrix, int64_t granule) : block(matrix.codes + granule / 8 * SixBits256::kBytes) {
    scale = halfAt(block + SixBits256::kScale);
  }
  [[gnu::always_inline]] void next(const PackedMatrix&, int64_t) {
    block += SixBits256::kBytes;
    scale = halfAt(block + SixBits256::kScale);
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t i) const {
    return signedShorts(SixBits256::codes(block, i)) * scales(i);
  }

 private:
  // A granule's halves have scales of their own.
  [[gnu::always_inline]] Shorts scales(int64_t i) const {
    const uint8_t* from = block + SixBits256::kScales;
#ifdef __AVX512BW__
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m512i places = _mm512_inserti64x4(_mm512_set1_epi16(2 * i), _mm256_set1_epi16(2 * i + 1), 1);
    return (Shorts)_mm512_permutexvar_epi16(places, _mm512_castsi256_si512(_mm256_cvtepi8_epi16(bytes)));
#else
    Shorts scales;
    for (int64_t k = 0; k < kGranule; ++k) scales[k] = static_cast<int8_t>(from[2 * i + k / 16]);
    return scales;
#endif
  }
};

// Calls use with a null pointer to the format's decoder.
template <typename Use>
[[gnu::always_inline]] inline void withIntegers(PackedFormat format, Use use) {
  switch (format) {
    case PackedFormat::nf4: return use(static_cast<IntegerNf4*>(nullptr));
    case PackedFormat::fp4: return use(static_cast<IntegerFp4*>(nullptr));
    case PackedFormat::int8: return use(static_cast<IntegerBytes*>(nullptr));
    case PackedFormat::q8_0: return use(static_cast<IntegerQ8_0*>(nullptr));
    case PackedFormat::q4_0: return use(static_cast<IntegerBlock32<Block32<false, false>>*>(nullptr));
    case PackedFormat::q4_1: return use(static_cast<IntegerBlock32<Block32<true, false>>*>(nullptr));
    case PackedFormat::q5_0: return use(static_cast<IntegerBlock32<Block32<false, true>>*>(nullptr));
    case PackedFormat::q5_1: return use(static_cast<IntegerBlock32<Block32<true, true>>*>(nullptr));
    case PackedFormat::q4_k: return use(static_cast<IntegerBlock256<Block256<false>>*>(nullptr));
    case PackedFormat::q5_k: return use(static_cast<IntegerBlock256<Block256<true>>*>(nullptr));
    case PackedFormat::q6_k: return use(static_cast<IntegerQ6_K*>(nullptr));
  }
}

}  // namespace bidora::BIDORA_ISA
