// A product of rows of bfloat16 with a packed matrix. Pieces of x are rounded to int16, and their products with the
// matrix's codes are added up as whole numbers, which is exact. The matrix itself is not rounded to bfloat16, so that
// results are closer to the exact ones than those of a product of bfloat16.
#pragma once

#include "finishTile.h"
#include "integerRows.h"
#include "kernels/common/processor.h"
#include "kernels/simd/tiles.h"
#include "prefetch.h"

#ifdef __AVX2__
namespace bidora::BIDORA_VARIANT {

using IntegerSums = Wide<int32_t>;
using FloatSums = Wide<float>;
using LaneSums = Vector<float>;  // whose sum is an element

constexpr int64_t kBlocksAhead = 32;  // of the matrix to prefetch

// a·b, neighbors added.
[[gnu::always_inline]] inline Vector<int32_t> sumsOfPairs(Vector<int16_t> a, Vector<int16_t> b) {
#ifdef __AVX512BW__
  return (Vector<int32_t>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#else
  return (Vector<int32_t>)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#endif
}

// The same for codes, whose sums with bytes are words if they have at most seven bits.
[[gnu::always_inline]] inline Vector<int16_t> sumsOfPairs(Vector<uint8_t> a, Vector<int8_t> b) {
#ifdef __AVX512BW__
  return (Vector<int16_t>)_mm512_maddubs_epi16((__m512i)a, (__m512i)b);
#else
  return (Vector<int16_t>)_mm256_maddubs_epi16((__m256i)a, (__m256i)b);
#endif
}

// sums += a·b, neighbors added.
[[gnu::always_inline]] inline void addPairs(Vector<int32_t>& sums, Vector<int16_t> a, Vector<int16_t> b) {
#ifdef __AVX512VNNI__
  sums = (Vector<int32_t>)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
#else
  sums += sumsOfPairs(a, b);
#endif
}

// sums + a·x + b·y, neighbors added by fours; a and b are codes of at most five bits.
[[gnu::always_inline]] inline Vector<int32_t> plusFours(Vector<int32_t> sums, Vector<uint8_t> a, Vector<int8_t> x,
                                                        Vector<uint8_t> b, Vector<int8_t> y) {
#ifdef __AVX512VNNI__
  const __m512i first = _mm512_dpbusd_epi32((__m512i)sums, (__m512i)a, (__m512i)x);
  return (Vector<int32_t>)_mm512_dpbusd_epi32(first, (__m512i)b, (__m512i)y);
#else
  return sums + sumsOfPairs(sumsOfPairs(a, x) + sumsOfPairs(b, y), Vector<int16_t>{} + 1);
#endif
}

[[gnu::always_inline]] inline IntegerSums sumsOfPairs(const Shorts& a, const int16_t* b) {
  IntegerSums sums;
  forEachRegister([&](int64_t i) { sums.registers[i] = sumsOfPairs(a.registers[i], load(b + i * kLanes<int16_t>)); });
  return sums;
}
[[gnu::always_inline]] inline void addPairs(IntegerSums& sums, const Shorts& a, const int16_t* b) {
  forEachRegister([&](int64_t i) { addPairs(sums.registers[i], a.registers[i], load(b + i * kLanes<int16_t>)); });
}

// total += sums·scale
[[gnu::always_inline]] inline void addScaled(FloatSums& total, const IntegerSums& sums, float scale) {
  forEachRegister(
      [&](int64_t i) { total.registers[i] += __builtin_convertvector(sums.registers[i], Vector<float>) * scale; });
}
[[gnu::always_inline]] inline void addScaled(FloatSums& total, const IntegerSums& sums, const FloatSums& scales) {
  forEachRegister([&](int64_t i) {
    total.registers[i] += __builtin_convertvector(sums.registers[i], Vector<float>) * scales.registers[i];
  });
}
[[gnu::always_inline]] inline void addScaled(FloatSums& total, const FloatSums& sums, float scale) {
  forEachRegister([&](int64_t i) { total.registers[i] += sums.registers[i] * scale; });
}

[[gnu::always_inline]] inline LaneSums inFirstLanes(EightFloats numbers) {
#ifdef __AVX512F__
  return (LaneSums)_mm512_zextps256_ps512((__m256)numbers);
#else
  return (LaneSums)numbers;
#endif
}

// The sums of kRows rows of x with a row of the matrix.
template <typename Decoder, int kRows>
class RowSums {
 public:
  // `first` is the granule with which the row begins, the decoder's.
  RowSums(const PackedMatrix& matrix, int64_t first, const IntegerRows& x, Decoder& decoder)
      : matrix_(matrix), x_(x), first_(first), decoder_(decoder) {}

  [[gnu::always_inline]] void addBlock(int64_t block, int64_t granules) {
    if constexpr (requires { typename Decoder::Group; }) addGroups(block, granules);
    else if constexpr (Decoder::kGranules == 1) addEach(block, granules);
    else addWhole(block, granules);
    if constexpr (Decoder::kHasOffsets) addOffsets(block * kGranulesOfBlock, granules);
  }

  // Lanes whose sums are the products.
  [[gnu::always_inline]] void write(LaneSums* to) const {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      Vector<float> sum = total_[r].registers[0];
      if constexpr (FloatSums::kRegisters == 2) sum += total_[r].registers[1];
      if constexpr (Decoder::kHasOffsets) sum += inFirstLanes(offsets_[r]);
      to[r * kWidth] = sum;
    }
  }

 private:
  // All granules have the same scale.
  [[gnu::always_inline]] void addWhole(int64_t block, int64_t granules) {
    const int64_t first = block * kGranulesOfBlock;
    if (block > 0) decoder_.next(matrix_, first_ + first);
    IntegerSums sums[kRows] = {};
#pragma GCC unroll 8
    for (int64_t i = 0; i < granules; ++i) addGranule(first + i, i, sums);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addScaled(total_[r], sums[r], decoder_.scale * x_.scales[r * x_.blocks + block]);
  }

  // Each has its own.
  [[gnu::always_inline]] void addEach(int64_t block, int64_t granules) {
    const int64_t first = block * kGranulesOfBlock;
    decoder_.read(matrix_, first_ + first, granules);
    FloatSums ofBlock[kRows] = {};
#pragma GCC unroll 8
    for (int64_t i = 0; i < granules; ++i) {
      IntegerSums sums[kRows] = {};
      addGranule(first + i, i, sums);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) addScaled(ofBlock[r], sums[r], decoder_.scales[i]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addScaled(total_[r], ofBlock[r], x_.scales[r * x_.blocks + block]);
  }

  // Each lane of four granules has its own.
  [[gnu::always_inline]] void addGroups(int64_t block, int64_t granules) {
    const int64_t first = block * kGranulesOfBlock;
    decoder_.next(matrix_, first_ + first, granules);
    FloatSums ofBlock[kRows] = {};
    addGroup(first, 0, lesser(4, granules), ofBlock);
    if (granules > 4) addGroup(first + 4, 1, granules - 4, ofBlock);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addScaled(total_[r], ofBlock[r], x_.scales[r * x_.blocks + block]);
  }

  [[gnu::always_inline]] void addGroup(int64_t first, int32_t i, int64_t granules, FloatSums (&sums)[kRows]) const {
    const auto group = decoder_.group(matrix_, first_ + first, granules);
    const FloatSums scales = decoder_.ofLanes(i);
    if constexpr (TakesBytes<Decoder>) addBytes(first, group, scales, sums);
    else addPlanes(first, group, scales, sums);
  }

  template <typename Group>
  [[gnu::always_inline]] void addBytes(int64_t first, const Group& group, const FloatSums& scales,
                                       FloatSums (&sums)[kRows]) const {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto bytesOfX = [&](int64_t line, int64_t i) {
        Vector<int8_t> bytes;
        std::memcpy(&bytes, numbersOfX(first + line, r) + i * kLanes<int16_t>, sizeof bytes);
        return bytes;
      };
      IntegerSums ofBytes;
      forEachRegister([&](int64_t i) {
        const Vector<uint8_t> a = group.first.registers[i], b = group.second.registers[i];
        const Vector<int32_t> ofHigh = plusFours(Vector<int32_t>{}, a, bytesOfX(0, i), b, bytesOfX(1, i));
        ofBytes.registers[i] = plusFours(ofHigh << 8, a, bytesOfX(2, i), b, bytesOfX(3, i));
      });
      addScaled(sums[r], ofBytes, scales);
    }
  }

  // A lane's sum of two planes is a whole number.
  template <typename Group>
  [[gnu::always_inline]] void addPlanes(int64_t first, const Group& group, const FloatSums& scales,
                                        FloatSums (&sums)[kRows]) const {
#pragma GCC unroll 2
    for (int64_t plane = 0; plane < 4; plane += 2) {
      const Shorts numbers = group.plane(plane), others = group.plane(plane + 1);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        IntegerSums ofPlanes = sumsOfPairs(numbers, numbersOfX(first + plane, r));
        addPairs(ofPlanes, others, numbersOfX(first + plane + 1, r));
        addScaled(sums[r], ofPlanes, scales);
      }
    }
  }

  [[gnu::always_inline]] void addGranule(int64_t granule, int64_t i, IntegerSums (&sums)[kRows]) const {
    const Shorts codes = decoder_.codes(matrix_, first_ + granule, i);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addPairs(sums[r], codes, numbersOfX(granule, r));
  }

  [[gnu::always_inline]] const int16_t* numbersOfX(int64_t granule, int r) const {
    return x_.codes + (granule * kRows + r) * kGranule;
  }

  // Of `granules` granules, eight at most.
  [[gnu::always_inline]] void addOffsets(int64_t granule, int64_t granules) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      EightFloats ofX{};
      std::memcpy(&ofX, x_.sums + r * x_.granules + granule, granules * sizeof(float));
      offsets_[r] += decoder_.offsets * ofX;
    }
  }

  const PackedMatrix& matrix_;
  const IntegerRows x_;
  const int64_t first_;
  Decoder& decoder_;  // apart from the sums, which stay in registers
  FloatSums total_[kRows] = {};
  EightFloats offsets_[kRows] = {};
};

// The last block, which has fewer granules. Usual numbers of them have code of their own, since rows may be short.
template <typename Sums>
[[gnu::always_inline]] inline void addRest(Sums& sums, int64_t block, int64_t granules) {
  switch (granules) {
    case 0: return;
    case 2: return sums.addBlock(block, 2);
    case 4: return sums.addBlock(block, 4);
    default: return sums.addBlock(block, granules);
  }
}

// to[r·kWidth]: lanes of x_r·W_row for kRows rows of x.
template <typename Decoder, int kRows>
void multiplyRow(const PackedMatrix& matrix, int64_t row, const IntegerRows& x, bool fetchesIntoL2, LaneSums* to) {
  constexpr int64_t kBytes = kGranulesOfBlock / Decoder::kGranules * Decoder::kBytes;
  const int64_t first = row * x.granules;
  const uint8_t* ahead = matrix.codes + first / Decoder::kGranules * Decoder::kBytes + kBlocksAhead * kBytes;
  Decoder decoder(matrix, first);
  RowSums<Decoder, kRows> sums(matrix, first, x, decoder);
  int64_t block = 0;
  for (; (block + 1) * kGranulesOfBlock <= x.granules; ++block, ahead += kBytes) {
    for (int64_t line = 0; line < kBytes; line += 64) prefetchOnce(ahead + line, fetchesIntoL2);
    sums.addBlock(block, kGranulesOfBlock);
  }
  addRest(sums, block, x.granules - block * kGranulesOfBlock);
  sums.write(to);
}

// sums [rows, kWidth] = x·Wᵀ for up to kRowsAtOnce rows of x and `columns` rows of W from `first` on.
template <typename Decoder>
void multiplyRows(const PackedMatrix& matrix, int64_t first, int64_t columns, const IntegerRows& x, int64_t rows,
                  float* sums) {
  LaneSums lanes[kRowsAtOnce * kWidth];
  const bool fetchesIntoL2 = hasTiles();
  const auto forColumns = [&](auto multiply) {
    for (int64_t c = 0; c < columns; ++c) multiply(matrix, first + c, x, fetchesIntoL2, lanes + c);
    for (int64_t i = 0; i < rows * kWidth; i += kLanes<float>) store(sums + i, sumsOf<float>(lanes + i));
  };
  switch (rowsAtOnce(rows)) {
    case 1: forColumns(multiplyRow<Decoder, 1>); break;
    case 2: forColumns(multiplyRow<Decoder, 2>); break;
    case 3: forColumns(multiplyRow<Decoder, 3>); break;
    case 4: forColumns(multiplyRow<Decoder, 4>); break;
    case 6:
      if constexpr (kRowsAtOnce > 6) forColumns(multiplyRow<Decoder, 6>);
      break;
    default: forColumns(multiplyRow<Decoder, kRowsAtOnce>);
  }
}

// sums[r·kWidth] += low_r·F_column for rows of low from `first` on.
inline void addLowRank(const FrozenProduct<Bfloat16>& call, int64_t first, int64_t rows, int64_t column, float* sums) {
  const Bfloat16* factor = call.factor.data + column * call.factor.stride;
  for (int64_t r = 0; r < rows; ++r) {
    const Bfloat16* low = call.low.data + (first + r) * call.low.stride;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < call.rank; ++k) sum += wide(low[k]) * wide(factor[k]);
    sums[r * kWidth] += sum;
  }
}

inline void integerProduct(const FrozenProduct<Bfloat16>& call, const IntegerRows& x, int64_t begin, int64_t end) {
  alignas(64) float sums[kRowsAtOnce * kWidth];
  withIntegers(call.packed->format, [&]<typename Decoder>(Decoder*) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t column = group * kWidth, count = lesser(kWidth, call.columns - column);
      for (int64_t row = 0; row < call.rows; row += kRowsAtOnce) {
        const int64_t rows = lesser(kRowsAtOnce, call.rows - row);
        multiplyRows<Decoder>(*call.packed, column, count, rowsFrom(row, x), rows, sums);
        if (call.rank > 0)
          for (int64_t c = 0; c < count; ++c) addLowRank(call, row, rows, column + c, sums + c);
        finishTile(call, sums, rows, kWidth, row, column);
      }
    }
  });
}

}  // namespace bidora::BIDORA_VARIANT
#endif
