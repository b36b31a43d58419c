// Packed matrices as whole numbers, for products that add up whole numbers: an element is code·scale + offset. A
// decoder is made for a run of granules, which share a scale, and next() goes to the run after it.
#pragma once

#include "codecs.h"

#ifdef __AVX2__
namespace bidora::BIDORA_ISA {

// 64 bytes in registers.
template <typename T>
struct Wide {
  static constexpr int64_t kRegisters = 64 / kVectorBytes;
  Vector<T> registers[kRegisters];
};
using Shorts = Wide<int16_t>;  // a granule
typedef float EightFloats __attribute__((vector_size(32)));

// use(i) for each register's number.
template <typename Use>
[[gnu::always_inline]] inline void forEachRegister(Use use) {
  use(0);
  if constexpr (Wide<float>::kRegisters == 2) use(1);
}

[[gnu::always_inline]] inline Shorts signedShorts(Codes codes) {
#ifdef __AVX512BW__
  return {(Vector<int16_t>)_mm512_cvtepi8_epi16((__m256i)codes)};
#else
  return {(Vector<int16_t>)_mm256_cvtepi8_epi16(_mm256_castsi256_si128((__m256i)codes)),
          (Vector<int16_t>)_mm256_cvtepi8_epi16(_mm256_extracti128_si256((__m256i)codes, 1))};
#endif
}
[[gnu::always_inline]] inline Shorts shorts(Codes codes) {
#ifdef __AVX512BW__
  return {(Vector<int16_t>)_mm512_cvtepu8_epi16((__m256i)codes)};
#else
  return {(Vector<int16_t>)_mm256_cvtepu8_epi16(_mm256_castsi256_si128((__m256i)codes)),
          (Vector<int16_t>)_mm256_cvtepu8_epi16(_mm256_extracti128_si256((__m256i)codes, 1))};
#endif
}

// For decoders whose elements are code·scale.
struct NoOffsets {
  static constexpr bool kHasOffsets = false;
  using Offsets = float;
};

// int8 in rows.
struct IntegerBytes : NoOffsets {
  static constexpr int64_t kGranules = 8, kBytes = 8 * kGranule;
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
  using Offsets = float;
  Format format;
  float scale;
  Offsets offsets;

  IntegerBlock32(const PackedMatrix& matrix, int64_t granule) : format(matrix, granule) { readScale(); }
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule) {
    format.next(matrix, granule);
    readScale();
  }
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t) const {
    Shorts codes = shorts(format.codes());
    forEachRegister([&](int64_t i) { codes.registers[i] -= Format::kZero; });
    return codes;
  }

 private:
  [[gnu::always_inline]] void readScale() {
    scale = format.scale();
    offsets = format.offset();
  }
};
struct IntegerQ8_0 : NoOffsets {
  static constexpr int64_t kGranules = 1, kBytes = Bytes32::kBytes;
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
  using Offsets = EightFloats;
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
    Shorts codes = shorts(format.codes(i));
    forEachRegister([&](int64_t r) { codes.registers[r] *= scales[i]; });
    return codes;
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
struct IntegerQ6_K : NoOffsets {
  static constexpr int64_t kGranules = 8, kBytes = SixBits256::kBytes;
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
    Shorts codes = signedShorts(SixBits256::codes(block, i));
    const Shorts ofHalves = scales(i);
    forEachRegister([&](int64_t r) { codes.registers[r] *= ofHalves.registers[r]; });
    return codes;
  }

 private:
  // A granule's halves have scales of their own.
  [[gnu::always_inline]] Shorts scales(int64_t i) const {
    const auto* from = reinterpret_cast<const int8_t*>(block + SixBits256::kScales);
#ifdef __AVX512BW__
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m512i places = _mm512_inserti64x4(_mm512_set1_epi16(2 * i), _mm256_set1_epi16(2 * i + 1), 1);
    const __m512i words = _mm512_castsi256_si512(_mm256_cvtepi8_epi16(bytes));
    return {(Vector<int16_t>)_mm512_permutexvar_epi16(places, words)};
#else
    return {(Vector<int16_t>)_mm256_set1_epi16(from[2 * i]), (Vector<int16_t>)_mm256_set1_epi16(from[2 * i + 1])};
#endif
  }
};

}  // namespace bidora::BIDORA_ISA
#endif
