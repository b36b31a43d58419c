// The quantization formats. In most, a granule's codes select its levels, of which there are 16 or 32; in the others
// they are integers to be scaled. ggml's formats are defined in its ggml-quants.c, bitsandbytes' in its functional.py.
#pragma once

#include "kernels/isa/numbers.h"
#include "kernels/isa/vectors.h"
#include "kernels/packed/functions.h"
#include "kernels/packed/tables.h"

namespace bidora::BIDORA_ISA {

typedef uint8_t Codes __attribute__((vector_size(32)));
typedef uint8_t HalfCodes __attribute__((vector_size(16)));
typedef uint16_t Words __attribute__((vector_size(32)));
typedef uint32_t DoubleWords __attribute__((vector_size(32)));

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
#ifdef __AVX512BW__
  uint32_t mask;
  std::memcpy(&mask, bits, sizeof mask);
  return (Codes)_mm256_maskz_set1_epi8(mask, 16);
#else
  HalfCodes four{};
  std::memcpy(&four, bits, 4);
  const Codes spread = __builtin_shufflevector(four, four, (kPlace / 8)...);
  constexpr Codes kBit = {(1 << (kPlace % 8))...};
  return (Codes)((spread & kBit) != 0) & 16;
#endif
}
[[gnu::always_inline]] inline Codes fifthBits(const uint8_t* bits) {
  return fifthBits(bits, std::make_integer_sequence<int, kGranule>());
}

[[gnu::always_inline]] inline float halfAt(const uint8_t* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
#ifdef __F16C__
  return _cvtsh_ss(half);
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

constexpr float kCount[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

// The values of a granule's codes: in registers where a vector holds 16.
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
      store(levels.of + i, kHasOffset ? rounded<Vector<float>>(values) + offset : values);
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

// A decoder is made for a granule, and next() goes to the one after it.

// For a format whose codes select levels; its next() returns whether they may be others than before.
template <typename Format>
struct ByLevels {
  template <typename T>
  struct Decoder {
    Format format;
    Table<T> table;

    [[gnu::always_inline]] Decoder(const PackedMatrix& matrix, int64_t granule)
        : format(matrix, granule), table(format.levels(matrix, granule)) {}
    [[gnu::always_inline]] void next(const PackedMatrix& matrix, int64_t granule) {
      if (format.next(matrix, granule)) table = Table<T>(format.levels(matrix, granule));
    }
    [[gnu::always_inline]] void write(const PackedMatrix& matrix, int64_t granule, T* to) const {
      table.write(format.places(matrix, granule), to);
    }
  };
};

// For a format whose codes are scaled.
template <typename Format>
struct ByScale {
  template <typename T>
  struct Decoder {
    Decoder(const PackedMatrix&, int64_t) {}
    void next(const PackedMatrix&, int64_t) {}
    [[gnu::always_inline]] void write(const PackedMatrix& matrix, int64_t granule, T* to) const {
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

template <typename Numbers>
struct FourBits {
  int64_t block, left;  // the granule's block, and how many granules of it are left with this one

  [[gnu::always_inline]] FourBits(const PackedMatrix& matrix, int64_t granule)
      : block(granule / granules(matrix)), left(granules(matrix) - granule % granules(matrix)) {}
  [[gnu::always_inline]] bool next(const PackedMatrix& matrix, int64_t) {
    if (--left > 0) return false;
    ++block;
    left = granules(matrix);
    return true;
  }
  static int64_t granules(const PackedMatrix& matrix) { return matrix.block / kGranule; }
  [[gnu::always_inline]] Levels levels(const PackedMatrix& matrix, int64_t) const {
    return Levels::scaled(Numbers::kLevels, scaleOf(matrix, block));
  }
  [[gnu::always_inline]] static Places places(const PackedMatrix& matrix, int64_t granule) {
    const int64_t first = granule * 16, end = (matrix.rows * matrix.columns + 1) / 2;
    if (first + 16 <= end) return placesOfHalves(loadHalf(matrix.codes + first));
    HalfCodes bytes{};
    std::memcpy(&bytes, matrix.codes + first, end - first);
    return placesOfHalves(bytes);
  }
};

struct NormalTable {
  static constexpr std::array<float, 16> kLevels = normalLevels();
};
struct FloatTable {
  static constexpr std::array<float, 16> kLevels = floatLevels();
};
using Nf4 = ByLevels<FourBits<NormalTable>>;
using Fp4 = ByLevels<FourBits<FloatTable>>;

// ggml's blocks of 32 elements: a float16 scale, perhaps a float16 offset, perhaps the codes' fifth bits, and the
// codes' low bits; those of the first 16 elements are in the low halves of the bytes.
template <bool kHasOffset, bool kHasFifthBit>
struct Block32 {
  static constexpr int64_t kBits = kHasOffset ? 4 : 2, kCodes = kBits + (kHasFifthBit ? 4 : 0), kBytes = kCodes + 16;
  static constexpr int kZero = kHasOffset ? 0 : kHasFifthBit ? 16 : 8;
  const uint8_t* block;

  [[gnu::always_inline]] Block32(const PackedMatrix& matrix, int64_t granule)
      : block(matrix.codes + granule * kBytes) {}
  [[gnu::always_inline]] bool next(const PackedMatrix&, int64_t) {
    block += kBytes;
    return true;
  }
  [[gnu::always_inline]] float scale() const { return halfAt(block); }
  [[gnu::always_inline]] float offset() const { return kHasOffset ? halfAt(block + 2) : 0; }
  [[gnu::always_inline]] Codes codes() const {
    const HalfCodes bytes = loadHalf(block + kCodes);
    const DoubleWords both = (DoubleWords)joined<OneAfterTheOther>(bytes, bytes);
    const Codes low = (Codes)(both >> DoubleWords{0, 0, 0, 0, 4, 4, 4, 4}) & 15;
    return kHasFifthBit ? low | fifthBits(block + kBits) : low;
  }
  [[gnu::always_inline]] Levels levels(const PackedMatrix&, int64_t) const {
    return Levels::linear<kHasFifthBit, kHasOffset>(kZero, scale(), offset());
  }
  [[gnu::always_inline]] Places places(const PackedMatrix&, int64_t) const { return placesOf(codes()); }
};
using Q4_0 = ByLevels<Block32<false, false>>;
using Q4_1 = ByLevels<Block32<true, false>>;
using Q5_0 = ByLevels<Block32<false, true>>;
using Q5_1 = ByLevels<Block32<true, true>>;

// A float16 scale and 32 signed bytes.
struct Bytes32 {
  static constexpr int64_t kBytes = 34;

  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule, float (&scales)[2]) {
    const uint8_t* block = matrix.codes + granule * kBytes;
    scales[0] = scales[1] = halfAt(block);
    return loadCodes(block + 2);
  }
};

using Q8_0 = ByScale<Bytes32>;

// Numbers of six bits, one in each byte.
struct SixBits {
  uint64_t scales, offsets;
};
// Those of eight granules in 12 bytes: the first four scales and offsets are the low bits of bytes 0–3 and 4–7; for the
// others, bytes 8–11 have four bits of each, and the top bits of bytes 0–7 the rest.
[[gnu::always_inline]] inline SixBits sixBitsAt(const uint8_t* from) {
  uint64_t both;
  uint32_t rest;
  std::memcpy(&both, from, sizeof both);
  std::memcpy(&rest, from + 8, sizeof rest);
  const uint64_t four = both & 0x3F3F3F3F3F3F3F3FU, top = both >> 2 & 0x3030303030303030U, all = rest;
  return {(four & 0xFFFFFFFFU) | ((all & 0x0F0F0F0FU) | (top & 0xFFFFFFFFU)) << 32,
          four >> 32 | (all << 28 & 0x0F0F0F0F00000000U) | (top & 0xFFFFFFFF00000000U)};
}

// ggml's blocks of 256 elements: a float16 scale and offset, which are multiplied by those of the granules; these;
// perhaps the codes' fifth bits; and the codes' low bits.
template <bool kHasFifthBit>
struct Block256 {
  static constexpr int64_t kCodes = kHasFifthBit ? 48 : 16, kBytes = kCodes + 128;
  const uint8_t* block;
  uint8_t sixBits[16];  // the granules' scales and offsets
  float scale, offset;  // of the block

  [[gnu::always_inline]] Block256(const PackedMatrix& matrix, int64_t granule) {
    read(matrix.codes + granule / 8 * kBytes);
  }
  [[gnu::always_inline]] bool next(const PackedMatrix&, int64_t granule) {
    if ((granule & 7) == 0) read(block + kBytes);
    return true;
  }
  [[gnu::always_inline]] void read(const uint8_t* from) {
    block = from;
    const SixBits six = sixBitsAt(block + 4);
    std::memcpy(sixBits, &six, sizeof sixBits);
    scale = halfAt(block);
    offset = -halfAt(block + 2);
  }
  [[gnu::always_inline]] Levels levels(const PackedMatrix&, int64_t granule) const {
    const int64_t i = granule & 7;
    return Levels::linear<kHasFifthBit, true>(0, scale * static_cast<float>(sixBits[i]),
                                              offset * static_cast<float>(sixBits[8 + i]));
  }
  // Of the block's granule i.
  [[gnu::always_inline]] Codes codes(int64_t i) const {
    const Codes bytes = loadCodes(block + kCodes + i / 2 * 32), low = i % 2 ? bytes >> 4 : bytes & 15;
    if (!kHasFifthBit) return low;
    const auto bit = static_cast<uint8_t>(1U << i);
    return low | ((Codes)((loadCodes(block + 16) & (Codes{} + bit)) != 0) & 16);
  }
  [[gnu::always_inline]] Places places(const PackedMatrix&, int64_t granule) const {
    return placesOf(codes(granule & 7));
  }
};
using Q4_K = ByLevels<Block256<false>>;
using Q5_K = ByLevels<Block256<true>>;

// 256 elements of six bits, less 32, in groups of 16 with a signed scale each: four low bits, two high bits, the
// groups' scales, and the block's float16 scale.
struct SixBits256 {
  static constexpr int64_t kScales = 192, kScale = 208, kBytes = 210;

  // In a block, granule i.
  [[gnu::always_inline]] static Codes codes(const uint8_t* block, int64_t i) {
    const Codes four = loadCodes(block + i / 4 * 64 + i % 2 * 32), low = i / 2 % 2 ? four >> 4 : four & 15;
    const Words pairs = (Words)loadCodes(block + 128 + i / 4 * 32);  // of bits, those of granule i at 2·(i mod 4)
    const uint16_t place = i % 4 * 2;
    const Codes high =
        (Codes)(place < 4 ? pairs << static_cast<uint16_t>(4 - place) : pairs >> static_cast<uint16_t>(place - 4)) & 48;
    return (low | high) - 32;
  }
  [[gnu::always_inline]] static Codes codes(const PackedMatrix& matrix, int64_t granule, float (&scales)[2]) {
    const uint8_t* block = matrix.codes + granule / 8 * kBytes;
    const float whole = halfAt(block + kScale);
    for (int64_t half = 0; half < 2; ++half)
      scales[half] = whole * static_cast<float>(static_cast<int8_t>(block[kScales + 2 * (granule & 7) + half]));
    return codes(block, granule & 7);
  }
};

using Q6_K = ByScale<SixBits256>;

}  // namespace bidora::BIDORA_ISA
