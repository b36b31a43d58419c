// A product of few rows of bfloat16 with a packed matrix. Pieces of x are rounded to int16, and their products with the
// matrix's codes are added up as whole numbers, which is exact. The matrix itself is not rounded to bfloat16, so that
// results are closer to the exact ones than those of a product of bfloat16.
#pragma once

#include "finishTile.h"
#include "kernels/isa/tiles.h"
#include "kernels/packed/isa/integers.h"
#include "roundRow.h"

#ifdef __AVX2__
namespace bidora::BIDORA_ISA {

using IntegerSums = Wide<int32_t>;
using FloatSums = Wide<float>;
using LaneSums = Vector<float>;  // whose sum is an element

constexpr int64_t kRowsAtOnce = kVectorBytes == 64 ? 8 : 4;  // whose sums fit into registers
constexpr int64_t kCodesAhead = 2048;                        // bytes of the matrix to prefetch

// sums += a·b, neighbors added.
[[gnu::always_inline]] inline void addPairs(Vector<int32_t>& sums, Vector<int16_t> a, Vector<int16_t> b) {
#if defined(__AVX512VNNI__)
  sums = (Vector<int32_t>)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
  sums += (Vector<int32_t>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#else
  sums += (Vector<int32_t>)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#endif
}

[[gnu::always_inline]] inline void addPairs(IntegerSums& sums, const Shorts& a, const int16_t* b) {
  forEachRegister([&](int64_t i) { addPairs(sums.registers[i], a.registers[i], load(b + i * kLanes<int16_t>)); });
}

// total += sums·scale
[[gnu::always_inline]] inline void addScaled(FloatSums& total, const IntegerSums& sums, float scale) {
  forEachRegister(
      [&](int64_t i) { total.registers[i] += __builtin_convertvector(sums.registers[i], Vector<float>) * scale; });
}
[[gnu::always_inline]] inline void addScaled(FloatSums& total, const FloatSums& sums, float scale) {
  forEachRegister([&](int64_t i) { total.registers[i] += sums.registers[i] * scale; });
}

[[gnu::always_inline]] inline LaneSums inFirstLanes(float number) {
  LaneSums lanes{};
  lanes[0] = number;
  return lanes;
}
[[gnu::always_inline]] inline LaneSums inFirstLanes(EightFloats numbers) {
#ifdef __AVX512F__
  return (LaneSums)_mm512_zextps256_ps512((__m256)numbers);
#else
  return (LaneSums)numbers;
#endif
}

// How many of the rows that are left are multiplied at once; added rows are 0.
[[gnu::always_inline]] inline int64_t rowsAtOnce(int64_t left) {
  return left <= 2 ? left : left <= 4 ? 4 : kRowsAtOnce;
}

// A block of a row: its granules' codes at `codes`, so many rows apart.
inline void roundBlock(const Bfloat16* from, int64_t granules, int64_t rows, int16_t* codes, float& scale,
                       float* sums) {
  alignas(64) float numbers[kGranulesOfBlock * kGranule];
  alignas(64) int16_t rounded[kGranulesOfBlock * kGranule];
  for (int64_t i = 0; i < granules * kGranule; ++i) numbers[i] = wide(from[i]);
  roundRow(numbers, granules * kGranule, rounded, scale);
  for (int64_t granule = 0; granule < granules; ++granule) {
    const int16_t* own = rounded + granule * kGranule;
    std::memcpy(codes + granule * rows * kGranule, own, kGranule * sizeof *own);
    int32_t sum = 0;
    for (int64_t i = 0; i < kGranule; ++i) sum += own[i];
    sums[granule] = static_cast<float>(sum) * scale;
  }
}

inline void roundBlocks(const FrozenProduct<Bfloat16>& call, const IntegerRows& to) {
  std::memset(to.codes, 0, kIntegerRows * call.depth * sizeof *to.codes);
  std::memset(to.scales, 0, kIntegerRows * to.blocks * sizeof *to.scales);
  std::memset(to.sums, 0, kIntegerRows * to.granules * sizeof *to.sums);
  for (int64_t row = 0; row < call.rows; ++row) {
    const int64_t place = row % kRowsAtOnce, first = row - place, together = rowsAtOnce(call.rows - first);
    int16_t* codes = to.codes + first * call.depth + place * kGranule;
    for (int64_t block = 0; block < to.blocks; ++block) {
      const int64_t granule = block * kGranulesOfBlock, count = lesser(kGranulesOfBlock, to.granules - granule);
      roundBlock(call.x.data + row * call.x.stride + granule * kGranule, count, together,
                 codes + granule * together * kGranule, to.scales[row * to.blocks + block],
                 to.sums + row * to.granules + granule);
    }
  }
}

inline IntegerRows rowsFrom(int64_t row, const IntegerRows& x) {
  return {x.codes + row * x.granules * kGranule, x.scales + row * x.blocks, x.sums + row * x.granules, x.granules,
          x.blocks};
}

// The sums of kRows rows of x with a row of the matrix.
template <typename Decoder, int kRows>
class RowSums {
 public:
  RowSums(const PackedMatrix& matrix, int64_t row, const IntegerRows& x)
      : matrix_(matrix), x_(x), first_(row * x.granules), decoder_(matrix, first_) {}

  [[gnu::always_inline]] void addBlock(int64_t block, int64_t granules) {
    if constexpr (Decoder::kGranules == 1) addEach(block, granules);
    else addWhole(block, granules);
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
    for (int r = 0; r < kRows; ++r) {
      addScaled(total_[r], sums[r], decoder_.scale * x_.scales[r * x_.blocks + block]);
      addOffsets(r, first);
    }
  }

  // Each has its own.
  [[gnu::always_inline]] void addEach(int64_t block, int64_t granules) {
    const int64_t first = block * kGranulesOfBlock;
    FloatSums ofBlock[kRows] = {};
#pragma GCC unroll 8
    for (int64_t i = 0; i < granules; ++i) {
      if (first + i > 0) decoder_.next(matrix_, first_ + first + i);
      IntegerSums sums[kRows] = {};
      addGranule(first + i, i, sums);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        addScaled(ofBlock[r], sums[r], decoder_.scale);
        addOffsets(r, first + i);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) addScaled(total_[r], ofBlock[r], x_.scales[r * x_.blocks + block]);
  }

  [[gnu::always_inline]] void addGranule(int64_t granule, int64_t i, IntegerSums (&sums)[kRows]) const {
    const Shorts codes = decoder_.codes(matrix_, first_ + granule, i);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      addPairs(sums[r], codes, x_.codes + (granule * kRows + r) * kGranule);
    }
  }

  [[gnu::always_inline]] void addOffsets(int r, int64_t granule) {
    if constexpr (Decoder::kHasOffsets) {
      typename Decoder::Offsets ofX;
      std::memcpy(&ofX, x_.sums + r * x_.granules + granule, sizeof ofX);
      offsets_[r] += decoder_.offsets * ofX;
    }
  }

  const PackedMatrix& matrix_;
  const IntegerRows x_;
  const int64_t first_;  // granule of the row
  Decoder decoder_;
  FloatSums total_[kRows] = {};
  typename Decoder::Offsets offsets_[kRows] = {};
};

// to[r·kWidth]: lanes of x_r·W_row for kRows rows of x.
template <typename Decoder, int kRows>
void multiplyRow(const PackedMatrix& matrix, int64_t row, const IntegerRows& x, LaneSums* to) {
  constexpr int64_t kBytes = kGranulesOfBlock / Decoder::kGranules * Decoder::kBytes;
  const uint8_t* ahead = matrix.codes + row * x.granules / Decoder::kGranules * Decoder::kBytes + kCodesAhead;
  RowSums<Decoder, kRows> sums(matrix, row, x);
  int64_t block = 0;
  for (; (block + 1) * kGranulesOfBlock <= x.granules; ++block, ahead += kBytes) {
    for (int64_t line = 0; line < kBytes; line += 64) __builtin_prefetch(ahead + line);
    sums.addBlock(block, kGranulesOfBlock);
  }
  if (block < x.blocks) sums.addBlock(block, x.granules - block * kGranulesOfBlock);
  sums.write(to);
}

// sums [rows, kWidth] = x·Wᵀ for `columns` rows of W from `first` on.
template <typename Decoder>
void multiplyRows(const PackedMatrix& matrix, int64_t first, int64_t columns, const IntegerRows& x, int64_t rows,
                  float* sums) {
  LaneSums lanes[kRowsAtOnce * kWidth];
  const auto forColumns = [&](auto multiply, int64_t r) {
    for (int64_t c = 0; c < columns; ++c) multiply(matrix, first + c, rowsFrom(r, x), lanes + c);
    for (int64_t i = 0; i < lesser(rows - r, kRowsAtOnce) * kWidth; i += kLanes<float>)
      store(sums + r * kWidth + i, sumsOf<float>(lanes + i));
  };
  for (int64_t r = 0; r < rows; r += kRowsAtOnce) {
    switch (rowsAtOnce(rows - r)) {
      case 1: forColumns(multiplyRow<Decoder, 1>, r); break;
      case 2: forColumns(multiplyRow<Decoder, 2>, r); break;
      case 4: forColumns(multiplyRow<Decoder, 4>, r); break;
      default: forColumns(multiplyRow<Decoder, kRowsAtOnce>, r);
    }
  }
}

// sums[r·kWidth] += low_r·F_column
inline void addLowRank(const FrozenProduct<Bfloat16>& call, int64_t column, float* sums) {
  const Bfloat16* factor = call.factor.data + column * call.factor.stride;
  for (int64_t r = 0; r < call.rows; ++r) {
    const Bfloat16* low = call.low.data + r * call.low.stride;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < call.rank; ++k) sum += wide(low[k]) * wide(factor[k]);
    sums[r * kWidth] += sum;
  }
}

inline void integerProduct(const FrozenProduct<Bfloat16>& call, const IntegerRows& x, int64_t begin, int64_t end) {
  alignas(64) float sums[kIntegerRows * kWidth];
  withIntegers(call.packed->format, [&]<typename Decoder>(Decoder*) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t column = group * kWidth, count = lesser(kWidth, call.columns - column);
      multiplyRows<Decoder>(*call.packed, column, count, x, call.rows, sums);
      if (call.rank > 0)
        for (int64_t c = 0; c < count; ++c) addLowRank(call, column + c, sums + c);
      finishTile(call, sums, call.rows, kWidth, 0, column);
    }
  });
}

}  // namespace bidora::BIDORA_ISA
#endif
