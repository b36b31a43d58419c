// The quantization formats: ggml's are defined in its ggml-quants.c, bitsandbytes' in its functional.py.
#pragma once

#include "kernels/packed/tables.h"
#include "levels.h"

namespace bidora::BIDORA_VARIANT {

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
  static constexpr bool kHasFifthBits = kHasFifthBit;
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

}  // namespace bidora::BIDORA_VARIANT
