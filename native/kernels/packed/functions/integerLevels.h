// nf4 and fp4 as whole numbers, and the choice between the decoders of all formats.
#pragma once

#include "integers.h"

#ifdef __AVX2__
namespace bidora::BIDORA_VARIANT {

// Tables of whole numbers: levels times kUnit, rounded. kUnit is the one whose numbers are closest to the levels:
// nf4's are within 2⁻¹⁶, fp4's are whole multiples of 1/192.
struct NormalNumbers {
  static constexpr std::array<float, 16> kLevels = normalLevels();
  static constexpr float kUnit = 15683.92F, kError = 0x1p-16F;
};
struct FloatNumbers {
  static constexpr std::array<float, 16> kLevels = floatLevels();
  static constexpr float kUnit = 192, kError = 0x1p-24F;
};

template <typename Numbers>
consteval std::array<int16_t, 16> multiples() {
  std::array<int16_t, 16> numbers{};
  for (size_t i = 0; i < 16; ++i) {
    const float number = Numbers::kLevels[i] * Numbers::kUnit;
    numbers[i] = static_cast<int16_t>(number < 0 ? number - 0.5F : number + 0.5F);
  }
  return numbers;
}

// Whether they are within kError of the levels, and four products with int16 can be added up in int32.
template <typename Numbers>
consteval bool areClose() {
  const std::array<int16_t, 16> numbers = multiples<Numbers>();
  for (size_t i = 0; i < 16; ++i) {
    const double number = numbers[i], error = number / double{Numbers::kUnit} - double{Numbers::kLevels[i]};
    if (error > double{Numbers::kError} || -error > double{Numbers::kError}) return false;
    if (4 * int64_t{numbers[i] < 0 ? -numbers[i] : numbers[i]} * 32767 > std::numeric_limits<int32_t>::max())
      return false;
  }
  return true;
}

// 64 bytes with the codes of four granules. They are looked up in their bytes' order, a half of each byte at a time:
// plane 0 and 1 have the low and the high halves of every second byte, plane 2 and 3 those of the others.
template <typename Numbers>
class FourGranules {
 public:
  static_assert(areClose<Numbers>());

  // Of the four, `granules` are there.
  [[gnu::always_inline]] FourGranules(const uint8_t* from, int64_t granules) {
    forEachRegister([&](int64_t i) {
      constexpr int64_t kHalves = kVectorBytes / 16;
      const uint8_t* first = from + i * kVectorBytes;
      const int64_t left = granules - i * kHalves;
      bytes_.registers[i] =
          left >= kHalves ? load(first)
                          : (Vector<uint8_t>)loadFirst(reinterpret_cast<const float*>(first), greater(left, 0) * 4);
    });
  }

#ifdef __AVX512BW__
  static constexpr int byteOf(int plane, int word) { return 2 * word + plane / 2; }
  [[gnu::always_inline]] Shorts plane(int64_t i) const {
    const __m512i codes = _mm512_srli_epi16((__m512i)bytes_.registers[0], static_cast<unsigned>(4 * i));
    return {(Vector<int16_t>)_mm512_permutexvar_epi16(
        codes, _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(kNumbers.data()))))};
  }
#else
  static constexpr int byteOf(int plane, int word) { return word / 8 * 16 + plane / 2 * 8 + word % 8; }
  [[gnu::always_inline]] Shorts plane(int64_t i) const {
    Shorts numbers;
    forEachRegister([&](int64_t r) {
      const auto codes = (__m256i)(i % 2 ? bytes_.registers[r] >> 4 : bytes_.registers[r] & 15);
      const __m256i low = _mm256_shuffle_epi8(bytesOf(0), codes), high = _mm256_shuffle_epi8(bytesOf(8), codes);
      numbers.registers[r] =
          (Vector<int16_t>)(i < 2 ? _mm256_unpacklo_epi8(low, high) : _mm256_unpackhi_epi8(low, high));
    });
    return numbers;
  }
#endif

  // Which of the four granules' numbers is multiplied with this one.
  static constexpr int elementOf(int plane, int word) { return 2 * byteOf(plane, word) + 1 - plane % 2; }

 private:
  static constexpr std::array<int16_t, 16> kNumbers = multiples<Numbers>();
#ifndef __AVX512BW__
  // The numbers' low bytes, or the high ones.
  [[gnu::always_inline]] static __m256i bytesOf(int shift) {
    alignas(16) uint8_t bytes[16];
    for (size_t i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(kNumbers[i] >> shift);
    return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes)));
  }
#endif

  Wide<uint8_t> bytes_;
};

// Those of `count` blocks.
inline void unpackScales(const PackedScales& packed, int64_t block, int64_t count, float* to) {
  const int64_t end = block + count;
  while (block < end) {
    const int64_t group = block / packed.block, last = lesser(end, (group + 1) * packed.block);
    const float scale = packed.scales[group];
    for (; block + 8 <= last; block += 8, to += 8) {
      const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(packed.codes + block));
      const auto levels = (EightFloats)_mm256_i32gather_ps(packed.levels, _mm256_cvtepu8_epi32(codes), 4);
      const EightFloats scales = rounded(levels * scale) + packed.offset;
      std::memcpy(to, &scales, sizeof scales);
    }
    for (; block < last; ++block) *to++ = rounded(packed.levels[packed.codes[block]] * scale) + packed.offset;
  }
}

// The scales of a row's granules, from `granule` on.
class GranuleScales {
 public:
  GranuleScales(const PackedMatrix& matrix, int64_t granule)
      : each_(matrix.block / kGranule), begin_(granule), end_(granule + matrix.columns / kGranule) {}

  // Those of eight granules, of which `granules` are there; the others' are 0.
  [[gnu::always_inline]] EightFloats at(const PackedMatrix& matrix, int64_t granule, int64_t granules) {
    const int64_t block = each_ == 2 ? granule / 2 : granule / each_;
    const float* from = matrix.scales ? matrix.scales + block : unpacked(matrix, granule, block);
    if (each_ != 2 || granules != 8) return spread(from, granule - block * each_, granules);
    return (EightFloats)_mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)),
                                                 _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  }

 private:
  static constexpr int64_t kCount = 64;  // granules whose blocks are unpacked at a time

  const float* unpacked(const PackedMatrix& matrix, int64_t granule, int64_t block) {
    if ((granule - begin_) % kCount == 0) {
      first_ = block;
      unpackScales(matrix.packedScales, block, (lesser(granule + kCount, end_) - 1) / each_ + 1 - block, scales_);
    }
    return scales_ + block - first_;
  }

  // Of blocks, the first of which has `before` granules before these.
  EightFloats spread(const float* from, int64_t before, int64_t granules) const {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                  count = _mm256_set1_epi32(static_cast<int>(granules));
    const __m256 middles = _mm256_add_ps(_mm256_cvtepi32_ps(lanes), _mm256_set1_ps(static_cast<float>(before) + 0.5F));
    const __m256i places = _mm256_cvttps_epi32(_mm256_div_ps(middles, _mm256_set1_ps(static_cast<float>(each_)))),
                  last = _mm256_permutevar8x32_epi32(places, _mm256_sub_epi32(count, _mm256_set1_epi32(1)));
    const __m256 blocks =
        _mm256_maskload_ps(from, _mm256_cmpgt_epi32(last, _mm256_sub_epi32(lanes, _mm256_set1_epi32(1))));
    return (EightFloats)_mm256_and_ps(_mm256_permutevar8x32_ps(blocks, places),
                                      _mm256_castsi256_ps(_mm256_cmpgt_epi32(count, lanes)));
  }

  const int64_t each_, begin_, end_;  // granules of a block; the row's
  int64_t first_ = 0;                 // block whose scale is the first unpacked one
  float scales_[kCount];
};

template <typename Numbers>
struct IntegerLevels : NoOffsets {
  using Group = FourGranules<Numbers>;
  static constexpr int64_t kGranules = 8, kBytes = kGranules * 16;
  GranuleScales ofGranules;
  EightFloats scales{};

  // To be followed by next().
  IntegerLevels(const PackedMatrix& matrix, int64_t granule) : ofGranules(matrix, granule) {}
  static constexpr int elementOf(int plane, int word) { return Group::elementOf(plane, word); }
  // Of the eight granules, `granules` are there.
  [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule, int64_t granules) {
    scales = ofGranules.at(matrix, granule, granules) * (1 / Numbers::kUnit);
  }

  // Four granules from granule i of the eight on, of which `granules` are there.
  [[gnu::always_inline]] static Group group(const PackedMatrix& matrix, int64_t granule, int64_t granules) {
    return {matrix.codes + granule * 16, granules};
  }
  // Those of the sums' lanes for granules 4i … 4i + 3.
  [[gnu::always_inline]] Wide<float> ofLanes(int32_t i) const { return inFourLanesEach(scales, i); }
};
using IntegerNf4 = IntegerLevels<NormalNumbers>;
using IntegerFp4 = IntegerLevels<FloatNumbers>;

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
    case PackedFormat::q4_k: return use(static_cast<IntegerBlock256<false>*>(nullptr));
    case PackedFormat::q5_k: return use(static_cast<IntegerBlock256<true>*>(nullptr));
    case PackedFormat::q6_k: return use(static_cast<IntegerQ6_K*>(nullptr));
  }
}

}  // namespace bidora::BIDORA_VARIANT
#endif
