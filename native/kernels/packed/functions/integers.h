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

// For decoders whose elements are code·scale.
struct NoOffsets {
  static constexpr bool kHasOffsets = false;
};

// The scales of four granules from granule 4i of eight on, each in four lanes.
[[gnu::always_inline]] inline Wide<float> inFourLanesEach(EightFloats scales, int32_t i) {
#ifdef __AVX512F__
  const __m512i places = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return {(Vector<float>)_mm512_permutexvar_ps(_mm512_add_epi32(places, _mm512_set1_epi32(4 * i)),
                                               _mm512_castps256_ps512((__m256)scales))};
#else
  const __m256i places = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const auto from = [&](int32_t first) {
    return (Vector<float>)_mm256_permutevar8x32_ps((__m256)scales, _mm256_add_epi32(places, _mm256_set1_epi32(first)));
  };
  return {from(4 * i), from(4 * i + 2)};
#endif
}

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

// The float16 numbers at the beginning of up to eight blocks; the others are 0.
template <int64_t kBytes>
[[gnu::always_inline]] inline EightFloats halvesAt(const uint8_t* first, int64_t count) {
  typedef uint16_t Halves __attribute__((vector_size(16)));
  Halves all{};
#pragma GCC unroll 8
  for (int64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, first + i * kBytes, sizeof half);
    all[i] = half;
  }
  return (EightFloats)_mm256_cvtph_ps((__m128i)all);
}

// ggml's blocks of 32, whose codes have at most five bits.
template <typename Format>
struct IntegerBlock32 {
  static constexpr int64_t kGranules = 1, kBytes = Format::kBytes;
  static constexpr bool kHasOffsets = true;
  // The codes of four granules: the first 16 of each, and the others.
  struct Group {
    Wide<uint8_t> first, second;
  };
  EightFloats scales{}, offsets{};

  // To be followed by next().
  IntegerBlock32(const PackedMatrix&, int64_t) {}
  // Of the eight granules, `granules` are there.
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule, int64_t granules) {
    const uint8_t* first = matrix.codes + granule * kBytes;
    scales = halvesAt<kBytes>(first, granules);
    if constexpr (Format::kZero > 0) offsets = scales * -Format::kZero;
    else offsets = halvesAt<kBytes>(first + 2, granules);
  }

  // Four granules, of which `granules` are there; the others' codes are 0.
  [[gnu::always_inline]] static Group group(const PackedMatrix& matrix, int64_t granule, int64_t granules) {
    const uint8_t* from = matrix.codes + granule * kBytes;
    const Wide<uint8_t> bytes = bytesAt(from + Format::kCodes, granules);
    Group group;
    forEachRegister([&](int64_t i) {
      group.first.registers[i] = bytes.registers[i] & 15;
      group.second.registers[i] = (Vector<uint8_t>)((Vector<uint16_t>)bytes.registers[i] >> 4) & 15;
      if constexpr (Format::kHasFifthBits) {
        group.first.registers[i] |= fifthBitsAt(from + Format::kBits, granules, i);
        group.second.registers[i] |= fifthBitsAt(from + Format::kBits + 2, granules, i);
      }
    });
    return group;
  }
  // The scales of the sums' lanes for granules 4i … 4i + 3.
  [[gnu::always_inline]] Wide<float> ofLanes(int32_t i) const { return inFourLanesEach(scales, i); }

 private:
  // 16 bytes of each granule.
  [[gnu::always_inline]] static Wide<uint8_t> bytesAt(const uint8_t* from, int64_t granules) {
    const auto one = [&](int64_t i) { return i < granules ? (__m128i)loadHalf(from + i * kBytes) : __m128i{}; };
    const __m256i first = _mm256_inserti128_si256(_mm256_castsi128_si256(one(0)), one(1), 1),
                  second = _mm256_inserti128_si256(_mm256_castsi128_si256(one(2)), one(3), 1);
#ifdef __AVX512BW__
    return {(Vector<uint8_t>)_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1)};
#else
    return {(Vector<uint8_t>)first, (Vector<uint8_t>)second};
#endif
  }

  // Bit 4 of a register's codes, from 16 bits of each granule.
  [[gnu::always_inline]] static Vector<uint8_t> fifthBitsAt(const uint8_t* from, int64_t granules, int64_t i) {
    constexpr int64_t kCount = kVectorBytes / 16;
    uint64_t bits = 0;
#pragma GCC unroll 4
    for (int64_t k = 0; k < kCount; ++k) {
      uint16_t ofGranule = 0;
      if (i * kCount + k < granules) std::memcpy(&ofGranule, from + (i * kCount + k) * kBytes, sizeof ofGranule);
      bits |= uint64_t{ofGranule} << (16 * k);
    }
#ifdef __AVX512BW__
    return (Vector<uint8_t>)_mm512_maskz_set1_epi8(bits, 16);
#else
    return (Vector<uint8_t>)fifthBits(reinterpret_cast<const uint8_t*>(&bits));
#endif
  }
};

// Whether codes are bytes, which are multiplied with the bytes of x's numbers: 64 at a time instead of 32.
template <typename Decoder>
concept TakesBytes = requires(Decoder::Group group) { group.first; };

// Each granule has a scale of its own: read() reads up to eight of them. The compiler must take them for memory: a load
// fills a vector with one of them, while it would spread them from a register by a shuffle each.
struct IntegerQ8_0 : NoOffsets {
  static constexpr int64_t kGranules = 1, kBytes = Bytes32::kBytes;
  alignas(32) float scales[8];

  IntegerQ8_0(const PackedMatrix&, int64_t) {}
  [[gnu::always_inline]] void read(const PackedMatrix& matrix, int64_t granule, int64_t count) {
    const EightFloats halves = halvesAt<kBytes>(matrix.codes + granule * kBytes, count);
    std::memcpy(scales, &halves, sizeof scales);
    asm volatile("" : "+m"(scales));
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
  const uint8_t* block;
  float scale;
  EightFloats offsets;
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
    offsets = (EightFloats)_mm256_cvtepi32_ps(ofOffsets) * -halves[1];
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
