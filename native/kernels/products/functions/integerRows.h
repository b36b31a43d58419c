// Rows of bfloat16 rounded to int16, as products of whole numbers take them.
#pragma once

#include "kernels/packed/functions/integerLevels.h"
#include "kernels/products/functions.h"
#include "kernels/simd/numbers.h"
#include "roundRow.h"

#ifdef __AVX2__
namespace bidora::BIDORA_VARIANT {

constexpr int64_t kRowsAtOnce = kVectorBytes == 64 ? 8 : 4;  // whose sums fit into registers

// How many of the rows that are left are multiplied at once; added rows are 0.
[[gnu::always_inline]] inline int64_t rowsAtOnce(int64_t left) {
  return left <= kRowsAlone ? left : lesser(left <= 6 ? 6 : 8, kRowsAtOnce);
}

// The largest whose high byte, rounded, is one.
constexpr int kLargestNumber = 0x7F7F;

// Whether four granules of x have the decoder's order instead of their own.
template <typename Decoder>
concept HasOrder = requires { Decoder::elementOf(0, 0); };

// Four granules.
template <typename Decoder>
inline void arrange(const int16_t* numbers, int16_t* to) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i)
    for (int k = 0; k < 16; ++k) to[i * 16 + k] = numbers[Decoder::elementOf(i / 2, i % 2 * 16 + k)];
}

// Four granules as bytes: the high bytes of each granule's first 16 numbers, those of the others, and the low bytes.
// A number is 256·high + low.
template <typename Decoder>
  requires TakesBytes<Decoder>
inline void arrange(const int16_t* numbers, int16_t* to) {
  int8_t bytes[2][2][64];
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t i = 0; i < 64; ++i) {
      const int number = numbers[i / 16 * kGranule + half * 16 + i % 16], high = (number + 128) >> 8;
      bytes[0][half][i] = static_cast<int8_t>(high);
      bytes[1][half][i] = static_cast<int8_t>(number - 256 * high);
    }
  std::memcpy(to, bytes, sizeof bytes);
}

// A block of a row: its granules' codes at `codes`, so many rows apart.
template <typename Decoder>
inline void roundBlock(const Bfloat16* from, int64_t granules, int64_t rows, int16_t* codes, float& scale,
                       float* sums) {
  alignas(64) float numbers[kGranulesOfBlock * kGranule];
  alignas(64) int16_t rounded[kGranulesOfBlock * kGranule] = {};
  for (int64_t i = 0; i < granules * kGranule; ++i) numbers[i] = wide(from[i]);
  roundRow<kLargestNumber>(numbers, granules * kGranule, rounded, scale);
  for (int64_t granule = 0; granule < granules; ++granule) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kGranule; ++i) sum += rounded[granule * kGranule + i];
    sums[granule] = static_cast<float>(sum) * scale;
  }
  alignas(64) int16_t arranged[kGranulesOfBlock * kGranule];
  constexpr bool kIsArranged = HasOrder<Decoder> || TakesBytes<Decoder>;
  if constexpr (kIsArranged)
    for (int64_t i = 0; i < kGranulesOfBlock; i += 4) arrange<Decoder>(rounded + i * kGranule, arranged + i * kGranule);
  const int16_t* own = kIsArranged ? arranged : rounded;
  for (int64_t granule = 0; granule < kGranulesOfBlock; ++granule)
    std::memcpy(codes + granule * rows * kGranule, own + granule * kGranule, kGranule * sizeof *own);
}

// Numbers of a row, filled up with zeros to whole blocks.
inline int64_t paddedDepth(const IntegerRows& x) { return x.blocks * kGranulesOfBlock * kGranule; }

// Rows that are missing are not written.
inline void roundBlocks(const FrozenProduct<Bfloat16>& call, const IntegerRows& to, int64_t begin, int64_t end) {
  withIntegers(call.packed->format, [&]<typename Decoder>(Decoder*) {
    for (int64_t row = begin * kIntegerRows; row < lesser(end * kIntegerRows, call.rows); ++row) {
      const int64_t place = row % kRowsAtOnce, first = row - place, together = rowsAtOnce(call.rows - first);
      int16_t* codes = to.codes + first * paddedDepth(to) + place * kGranule;
      for (int64_t block = 0; block < to.blocks; ++block) {
        const int64_t granule = block * kGranulesOfBlock;
        roundBlock<Decoder>(call.x.data + row * call.x.stride + granule * kGranule,
                            lesser(kGranulesOfBlock, to.granules - granule), together,
                            codes + granule * together * kGranule, to.scales[row * to.blocks + block],
                            to.sums + row * to.granules + granule);
      }
    }
  });
}

inline IntegerRows rowsFrom(int64_t row, const IntegerRows& x) {
  return {x.codes + row * paddedDepth(x), x.scales + row * x.blocks, x.sums + row * x.granules, x.granules, x.blocks};
}

}  // namespace bidora::BIDORA_VARIANT
#endif
