// The quantization formats. In most, a granule's codes select its levels, of which there are 16 or 32; in the others
// they are integers to be scaled. ggml's formats are defined in its ggml-quants.c, bitsandbytes' in its functional.py.
#pragma once

#include "kernels/isa/numbers.h"
#include "kernels/isa/vectors.h"
#include "kernels/packed/functions.h"
#include "kernels/packed/tables.h"

namespace bidora::BIDORA_ISA {

constexpr int64_t kGranule = 32;

typedef uint8_t Codes __attribute__((vector_size(32)));
typedef uint8_t HalfCodes __attribute__((vector_size(16)));
typedef uint16_t Words __attribute__((vector_size(32)));

[[gnu::always_inline]] inline Codes loadCodes(const uint8_t* from) {
  Codes codes;
  std::memcpy(&codes, from, sizeof codes);
  return codes;
}
[[gnu::always_inline]] inline HalfCodes loadHalf(const uint8_t* from) {
  HalfCodes codes;
  std::memcpy(&codes, from, sizeof codes);
  return codes;
}

struct OneAfterTheOther {
  static constexpr int at(int place) { return place; }
};
struct InTurns {
  static constexpr int at(int place) { return place / 2 + place % 2 * 16; }
};

template <typename Order, int... kPlace>
[[gnu::always_inline]] inline Codes joined(HalfCodes a, HalfCodes b, std::integer_sequence<int, kPlace...>) {
  return __builtin_shufflevector(a, b, Order::at(kPlace)...);
}
template <typename Order>
[[gnu::always_inline]] inline Codes joined(HalfCodes a, HalfCodes b) {
  return joined<Order>(a, b, std::make_integer_sequence<int, kGranule>());
}

// 16 in the lanes whose bit is set.
template <int... kPlace>
[[gnu::always_inline]] inline Codes fifthBits(const uint8_t* bits, std::integer_sequence<int, kPlace...>) {
  HalfCodes four{};
  std::memcpy(&four, bits, 4);
  const Codes spread = __builtin_shufflevector(four, four, (kPlace / 8)...);
  constexpr Codes kBit = {(1 << (kPlace % 8))...};
  return (Codes)((spread & kBit) != 0) & 16;
}
[[gnu::always_inline]] inline Codes fifthBits(const uint8_t* bits) {
  return fifthBits(bits, std::make_integer_sequence<int, kGranule>());
}

[[gnu::always_inline]] inline float halfAt(const uint8_t* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
#ifdef __AVX512F__
  return _mm512_cvtss_f32(_mm512_cvtph_ps(_mm256_castsi128_si256(_mm_cvtsi32_si128(half))));
#else
  uint32_t bits = (half & 0x7FFFU) << 13;
  float number;
  std::memcpy(&number, &bits, sizeof number);
  number *= 0x1p112F;
  std::memcpy(&bits, &number, sizeof bits);
  if ((half & 0x7C00U) == 0x7C00U) bits = 0x7F800000U | (half & 0x3FFU) << 13;
  bits |= (half & 0x8000U) << 16;
  std::memcpy(&number, &bits, sizeof number);
  return number;
#endif
}

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

// The values of all codes.
struct Levels {
  alignas(kVectorBytes) float of[kGranule];

  // table[code]·scale; `of` has the table twice, so that it is the same for codes of five bits.
  [[gnu::always_inline]] void scaled(const float (&table)[16], float scale) {
    for (int64_t i = 0; i < 16; i += kLanes<float>) {
      const Vector<float> values = load(table + i) * scale;
      store(of + i, values);
      store(of + 16 + i, values);
    }
  }

  // (code − zero)·scale + offset for 32 codes.
  [[gnu::always_inline]] void linear(float zero, float scale, float offset) {
    constexpr float kCount[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    for (int64_t i = 0; i < kGranule; i += kLanes<float>)
      store(of + i, rounded<Vector<float>>((load(kCount + i) - zero) * scale) + offset);
  }
};

// levels[code] for each code.
template <typename T>
[[gnu::always_inline]] inline void writeLevels(Codes codes, const T* levels, T* to) {
  for (int64_t i = 0; i < kGranule; ++i) to[i] = levels[codes[i]];
}
#if defined(__AVX512BW__)
[[gnu::always_inline]] inline void writeLevels(Codes codes, const Bfloat16* levels, Bfloat16* to) {
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_cvtepu8_epi16((__m256i)codes), _mm512_loadu_si512(levels)));
}
[[gnu::always_inline]] inline void writeLevels(Codes codes, const float* levels, float* to) {
  const __m512 low = _mm512_loadu_ps(levels), high = _mm512_loadu_ps(levels + 16);
  const __m256i all = (__m256i)codes;
  _mm512_storeu_ps(to, _mm512_permutex2var_ps(low, _mm512_cvtepu8_epi32(_mm256_castsi256_si128(all)), high));
  _mm512_storeu_ps(to + 16, _mm512_permutex2var_ps(low, _mm512_cvtepu8_epi32(_mm256_extracti128_si256(all, 1)), high));
}
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

// A format whose codes select levels. Levels of the granule before are kept while they are the same.
template <typename Format>
struct ByLevels {
  template <typename T>
  struct Decoder {
    alignas(64) T levels[kGranule];

    [[gnu::always_inline]] void decode(const PackedMatrix& matrix, int64_t granule, bool isFirst, T* to) {
      if (isFirst || granule % Format::granulesOfLevels(matrix) == 0) {
        Levels computed;
        Format::setLevels(matrix, granule, computed);
        writeNumbers(computed.of, kGranule, levels);
      }
      writeLevels(Format::codes(matrix, granule), levels, to);
    }
  };
};

// A format whose codes are scaled.
template <typename Format>
struct ByScale {
  template <typename T>
  struct Decoder {
    [[gnu::always_inline]] void decode(const PackedMatrix& matrix, int64_t granule, bool, T* to) {
      float scales[2];
      const Codes codes = Format::codes(matrix, granule, scales);
      writeScaled(codes, scales, to);
    }
  };
};

// bitsandbytes' 4-bit types: a block's table times its scale.

[[gnu::always_inline]] inline float scaleOf(const PackedMatrix& matrix, int64_t block) {
  if (matrix.scales) return matrix.scales[block];
  const PackedScales& packed = matrix.packedScales;
  return rounded(packed.levels[packed.codes[block]] * packed.scales[block / packed.block]) + packed.offset;
}

template <typename Table>
struct FourBits : ByLevels<FourBits<Table>> {
  static int64_t granulesOfLevels(const PackedMatrix& matrix) { return matrix.block / kGranule; }
  [[gnu::always_inline]] static void setLevels(const PackedMatrix& matrix, int64_t granule, Levels& levels) {
    levels.scaled(Table::kLevels, scaleOf(matrix, granule * kGranule / matrix.block));
  }
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule) {
    const int64_t first = granule * 16, end = (matrix.rows * matrix.columns + 1) / 2;
    HalfCodes bytes{};
    if (first + 16 <= end) bytes = loadHalf(matrix.codes + first);
    else std::memcpy(&bytes, matrix.codes + first, end - first);
    return joined<InTurns>(bytes >> 4, bytes & 15);
  }
};

struct NormalTable {
  static constexpr const float (&kLevels)[16] = kNormalLevels;
};
struct FloatTable {
  static constexpr const float (&kLevels)[16] = kFloatLevels;
};
using Nf4 = FourBits<NormalTable>;
using Fp4 = FourBits<FloatTable>;

// ggml's blocks of 32 elements: a float16 scale, perhaps a float16 offset, perhaps the codes' fifth bits, and the
// codes' low bits; those of the first 16 elements are in the low halves of the bytes.
template <bool kHasOffset, bool kHasFifthBit>
struct Block32 : ByLevels<Block32<kHasOffset, kHasFifthBit>> {
  static constexpr int64_t kBits = kHasOffset ? 4 : 2, kCodes = kBits + (kHasFifthBit ? 4 : 0), kBytes = kCodes + 16;

  static int64_t granulesOfLevels(const PackedMatrix&) { return 1; }
  [[gnu::always_inline]] static void setLevels(const PackedMatrix& matrix, int64_t granule, Levels& levels) {
    const uint8_t* block = matrix.codes + granule * kBytes;
    if (kHasOffset) levels.linear(0, halfAt(block), halfAt(block + 2));
    else levels.linear(kHasFifthBit ? 16 : 8, halfAt(block), 0);
  }
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule) {
    const uint8_t* block = matrix.codes + granule * kBytes;
    const HalfCodes bytes = loadHalf(block + kCodes);
    const Codes low = joined<OneAfterTheOther>(bytes & 15, bytes >> 4);
    return kHasFifthBit ? low | fifthBits(block + kBits) : low;
  }
};
using Q4_0 = Block32<false, false>;
using Q4_1 = Block32<true, false>;
using Q5_0 = Block32<false, true>;
using Q5_1 = Block32<true, true>;

// A float16 scale and 32 signed bytes.
struct Q8_0 : ByScale<Q8_0> {
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule, float (&scales)[2]) {
    const uint8_t* block = matrix.codes + granule * 34;
    scales[0] = scales[1] = halfAt(block);
    return loadCodes(block + 2);
  }
};

// ggml's blocks of 256 elements. A granule's scale and offset have six bits each: those of the first four are the low
// bits of bytes 4–7 and 8–11; for the others, bytes 12–15 have four bits of each, and the top bits of bytes 4–11 the
// rest. They multiply the block's float16 scale and offset.
template <bool kHasFifthBit>
struct Block256 : ByLevels<Block256<kHasFifthBit>> {
  static constexpr int64_t kCodes = kHasFifthBit ? 48 : 16, kBytes = kCodes + 128;

  static int64_t granulesOfLevels(const PackedMatrix&) { return 1; }
  [[gnu::always_inline]] static void setLevels(const PackedMatrix& matrix, int64_t granule, Levels& levels) {
    const uint8_t* block = matrix.codes + granule / 8 * kBytes;
    const int64_t i = granule % 8;
    const int scale = i < 4 ? block[4 + i] & 63 : (block[8 + i] & 15) | ((block[i] >> 2) & 48),
              offset = i < 4 ? block[8 + i] & 63 : (block[8 + i] >> 4) | ((block[4 + i] >> 2) & 48);
    levels.linear(0, halfAt(block) * static_cast<float>(scale), -(halfAt(block + 2) * static_cast<float>(offset)));
  }
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule) {
    const uint8_t* block = matrix.codes + granule / 8 * kBytes;
    const int64_t i = granule % 8;
    const Codes bytes = loadCodes(block + kCodes + i / 2 * 32), low = i % 2 ? bytes >> 4 : bytes & 15;
    if (!kHasFifthBit) return low;
    const Codes bit = Codes{} + static_cast<uint8_t>(1U << i);
    return low | ((Codes)((loadCodes(block + 16) & bit) != 0) & 16);
  }
};
using Q4_K = Block256<false>;
using Q5_K = Block256<true>;

// 256 elements of six bits, less 32, in groups of 16 with a signed scale each: four low bits, two high bits, the
// groups' scales, and the block's float16 scale.
struct Q6_K : ByScale<Q6_K> {
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule, float (&scales)[2]) {
    const uint8_t* block = matrix.codes + granule / 8 * 210;
    const int64_t i = granule % 8;
    const float whole = halfAt(block + 208);
    for (int64_t half = 0; half < 2; ++half)
      scales[half] = whole * static_cast<float>(static_cast<int8_t>(block[192 + 2 * i + half]));
    const Codes four = loadCodes(block + i / 4 * 64 + i % 2 * 32), low = i / 2 % 2 ? four >> 4 : four & 15,
                two = (Codes)((Words)loadCodes(block + 128 + i / 4 * 32) >> static_cast<uint16_t>(i % 4 * 2)) & 3;
    return (low | two << 4) - 32;
  }
};

}  // namespace bidora::BIDORA_ISA
