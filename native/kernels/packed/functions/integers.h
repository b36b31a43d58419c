// Packed matrices as whole numbers, for products that add up whole numbers: an element is code·scale + offset. A
// decoder is made for a run of granules, which share a scale, and next() goes to the run after it.
#pragma once

#include "codecs.h"

#ifdef __AVX2__
namespace bidora::BIDORA_VARIANT {

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

// The float16 numbers at the beginning of up to eight blocks. The compiler must take them for memory: a load fills a
// vector with one of them, while it would spread them from a register by a shuffle each.
template <int64_t kBytes>
[[gnu::always_inline]] inline void readHalves(const uint8_t* first, int64_t count, float (&to)[8]) {
  uint64_t halves[2] = {};
#pragma GCC unroll 8
  for (int64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, first + i * kBytes, sizeof half);
    halves[i / 4] |= uint64_t{half} << (i % 4 * 16);
  }
  __m128i all;
  std::memcpy(&all, halves, sizeof all);
  const __m256 numbers = _mm256_cvtph_ps(all);
  std::memcpy(to, &numbers, sizeof to);
  asm volatile("" : "+m"(to));
}

// Formats whose granules are blocks with a scale of their own: read() reads up to eight of them.

// ggml's blocks of 32.
template <typename Format>
struct IntegerBlock32 {
  static constexpr int64_t kGranules = 1, kBytes = Format::kBytes;
  static constexpr bool kHasOffsets = Format::kZero == 0;
  using Offsets = float;
  alignas(32) float scales[8], offsets[8];

  IntegerBlock32(const PackedMatrix&, int64_t) {}
  [[gnu::always_inline]] void read(const PackedMatrix& matrix, int64_t granule, int64_t count) {
    const uint8_t* first = matrix.codes + granule * kBytes;
    readHalves<kBytes>(first, count, scales);
    if constexpr (kHasOffsets) readHalves<kBytes>(first + 2, count, offsets);
  }
  [[gnu::always_inline]] static Shorts codes(const PackedMatrix& matrix, int64_t granule, int64_t) {
    Shorts codes = shorts(Format(matrix, granule).codes());
    forEachRegister([&](int64_t i) { codes.registers[i] -= Format::kZero; });
    return codes;
  }
};
struct IntegerQ8_0 : NoOffsets {
  static constexpr int64_t kGranules = 1, kBytes = Bytes32::kBytes;
  alignas(32) float scales[8];

  IntegerQ8_0(const PackedMatrix&, int64_t) {}
  [[gnu::always_inline]] void read(const PackedMatrix& matrix, int64_t granule, int64_t count) {
    readHalves<kBytes>(matrix.codes + granule * kBytes, count, scales);
  }
  [[gnu::always_inline]] static Shorts codes(const PackedMatrix& matrix, int64_t granule, int64_t) {
    return signedShorts(loadCodes(matrix.codes + granule * kBytes + 2));
  }
};

// ggml's blocks of 256, whose granules have whole scales: their products with codes are at most 4096. Codes are taken
// as they lie in memory, in words with four of them.
template <bool kHasFifthBit>
struct IntegerBlock256 {
  static constexpr int64_t kGranules = 8, kCodes = Block256<kHasFifthBit>::kCodes,
                           kBytes = Block256<kHasFifthBit>::kBytes;
  static constexpr bool kHasOffsets = true;
  using Offsets = EightFloats;
  const uint8_t* block;
  float scale;
  Offsets offsets;
  __m128i scales;  // of the granules, in words

  IntegerBlock256(const PackedMatrix& matrix, int64_t granule) { read(matrix.codes + granule / 8 * kBytes); }
  [[gnu::always_inline]] void next(const PackedMatrix&, int64_t) { read(block + kBytes); }

  // In four granules: a word's four codes are those of two neighbors in two granules.
  static constexpr int elementOf(int place, int word) {
    return word / 16 * 64 + place % 2 * static_cast<int>(kGranule) + word % 16 * 2 + place / 2;
  }
  // The codes at place i % 4 of the words.
  [[gnu::always_inline]] Shorts codes(const PackedMatrix&, int64_t, int64_t i) const {
    Shorts codes;
    forEachRegister([&](int64_t r) {
      Vector<uint16_t> words;
      std::memcpy(&words, block + kCodes + i / 4 * 64 + r * kVectorBytes, sizeof words);
      words = words >> static_cast<uint16_t>(i % 4 * 4);
      if (i % 4 < 3) words &= 15;
      if (kHasFifthBit) words |= fifthBits(i, r) & 16;
      codes.registers[r] = (Vector<int16_t>)words * scalesOf(granuleOf(i, r));
    });
    return codes;
  }

 private:
  // The granule of a register's codes, or of their first half if there is one register.
  static constexpr int64_t granuleOf(int64_t i, int64_t r) { return i / 4 * 4 + i % 2 + 2 * r; }

  // Bit 4 is the code's fifth.
  [[gnu::always_inline]] Vector<uint16_t> fifthBits(int64_t i, int64_t r) const {
    const auto all = (__m256i)loadCodes(block + 16);
    const auto place = static_cast<int>(i % 4 / 2 * 8 + granuleOf(i, r));
#ifdef __AVX512BW__
    const auto places = [&](int first) {
      return _mm512_inserti64x4(_mm512_set1_epi16(static_cast<int16_t>(first)),
                                _mm256_set1_epi16(static_cast<int16_t>(place < 4 ? first - 2 : first + 2)), 1);
    };
    const __m512i twice = _mm512_broadcast_i64x4(all);
    return (Vector<uint16_t>)(place < 4 ? _mm512_sllv_epi16(twice, places(4 - place))
                                        : _mm512_srlv_epi16(twice, places(place - 4)));
#else
    return (Vector<uint16_t>)(place < 4 ? _mm256_slli_epi16(all, 4 - place) : _mm256_srli_epi16(all, place - 4));
#endif
  }

  [[gnu::always_inline]] Vector<int16_t> scalesOf(int64_t granule) const {
#ifdef __AVX512BW__
    const auto first = static_cast<int16_t>(granule), second = static_cast<int16_t>(granule + 2);
    const __m512i places = _mm512_inserti64x4(_mm512_set1_epi16(first), _mm256_set1_epi16(second), 1);
    return (Vector<int16_t>)_mm512_permutexvar_epi16(places, _mm512_castsi128_si512(scales));
#else
    const __m256i places = _mm256_set1_epi16(static_cast<int16_t>(granule * 514 + 256));  // its two bytes
    return (Vector<int16_t>)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(scales), places);
#endif
  }

  [[gnu::always_inline]] void read(const uint8_t* from) {
    block = from;
    const SixBits six = sixBitsAt(block + 4);
    const __m128 halves = _mm_cvtph_ps(_mm_loadu_si32(block));
    scale = halves[0];
    scales = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<int64_t>(six.scales)));
    const __m256i ofOffsets = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(six.offsets)));
    offsets = (Offsets)_mm256_cvtepi32_ps(ofOffsets) * -halves[1];
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

}  // namespace bidora::BIDORA_VARIANT
#endif
