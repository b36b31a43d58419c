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

// numbers[code]
[[gnu::always_inline]] inline Shorts selected(const std::array<int16_t, 16>& numbers, Places codes) {
  const __m256i table = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers.data()));
#ifdef __AVX512BW__
  return {(Vector<int16_t>)_mm512_permutexvar_epi16(codes, _mm512_broadcast_i64x4(table))};
#else
  // The numbers' low bytes and their high bytes are looked up.
  const __m256i bytes = _mm256_permute4x64_epi64(
      _mm256_shuffle_epi8(table, _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8,
                                                  10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15)),
      0xd8);
  const __m256i low = _mm256_shuffle_epi8(_mm256_permute2x128_si256(bytes, bytes, 0x00), (__m256i)codes),
                high = _mm256_shuffle_epi8(_mm256_permute2x128_si256(bytes, bytes, 0x11), (__m256i)codes),
                even = _mm256_unpacklo_epi8(low, high), odd = _mm256_unpackhi_epi8(low, high);
  return {(Vector<int16_t>)_mm256_permute2x128_si256(even, odd, 0x20),
          (Vector<int16_t>)_mm256_permute2x128_si256(even, odd, 0x31)};
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

// For decoders whose elements are code·scale.
struct NoOffsets {
  static constexpr bool kHasOffsets = false;
  using Offsets = float;
};

template <typename Numbers, int kUnit>
struct IntegerLevels : NoOffsets {
  static constexpr int64_t kGranules = 1, kBytes = 16;
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
#endif
