// A product of few rows of bfloat16 with a packed matrix. Pieces of x are rounded to int16, and their products with the
// matrix's codes are added up as whole numbers, which is exact. The matrix itself is not rounded to bfloat16, so that
// results are closer to the exact ones than those of a product of bfloat16.
#pragma once

#include "finishTile.h"
#include "kernels/isa/tiles.h"
#include "kernels/packed/isa/integers.h"
#include "roundRow.h"

namespace bidora::BIDORA_ISA {

typedef int32_t IntegerSums __attribute__((vector_size(64)));
typedef float FloatSums __attribute__((vector_size(64)));

constexpr int64_t kColumnsTogether = 16;
constexpr int64_t kRowsAtOnce = kVectorBytes == 64 ? 8 : 4;  // whose sums fit into registers
constexpr int64_t kCodesAhead = 2048;                        // bytes of the matrix to prefetch

// sums += a·b, neighbors added.
[[gnu::always_inline]] inline IntegerSums pairsAdded(IntegerSums sums, Shorts a, Shorts b) {
#if defined(__AVX512VNNI__)
  return (IntegerSums)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
  return sums + (IntegerSums)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  __m256i ofA[2], ofB[2];
  std::memcpy(ofA, &a, sizeof ofA);
  std::memcpy(ofB, &b, sizeof ofB);
  const __m256i products[] = {_mm256_madd_epi16(ofA[0], ofB[0]), _mm256_madd_epi16(ofA[1], ofB[1])};
  IntegerSums added;
  std::memcpy(&added, products, sizeof added);
  return sums + added;
#else
  const IntegerSums x = (IntegerSums)a, y = (IntegerSums)b;
  return sums + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

[[gnu::always_inline]] inline float sumOfLanes(const FloatSums& sums) {
  Vector<float> registers[64 / kVectorBytes];
  std::memcpy(registers, &sums, sizeof registers);
  for (int64_t i = 1; i < 64 / kVectorBytes; ++i) registers[0] += registers[i];
  return sumOf<float>(registers[0]);
}

inline void roundBlock(const Bfloat16* from, int64_t granules, int16_t* codes, float& scale, float* sums) {
  alignas(64) float numbers[kGranulesOfBlock * kGranule];
  for (int64_t i = 0; i < granules * kGranule; ++i) numbers[i] = wide(from[i]);
  roundRow(numbers, granules * kGranule, codes, scale);
  for (int64_t granule = 0; granule < granules; ++granule) {
    int32_t sum = 0;
    for (int64_t i = 0; i < kGranule; ++i) sum += codes[granule * kGranule + i];
    sums[granule] = static_cast<float>(sum) * scale;
  }
}

inline void roundBlocks(const FrozenProduct<Bfloat16>& call, const IntegerRows& to) {
  for (int64_t row = 0; row < kIntegerRows; ++row) {
    int16_t* codes = to.codes + row * call.depth;
    float *scales = to.scales + row * to.blocks, *sums = to.sums + row * to.granules;
    if (row >= call.rows) {
      std::memset(codes, 0, call.depth * sizeof *codes);
      std::memset(scales, 0, to.blocks * sizeof *scales);
      std::memset(sums, 0, to.granules * sizeof *sums);
      continue;
    }
    for (int64_t block = 0; block < to.blocks; ++block) {
      const int64_t first = block * kGranulesOfBlock, count = lesser(kGranulesOfBlock, to.granules - first);
      roundBlock(call.x.data + row * call.x.stride + first * kGranule, count, codes + first * kGranule, scales[block],
                 sums + first);
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
    if constexpr (Decoder::kGranules == 1) addScaled(block, granules);
    else addWhole(block, granules);
  }

  void write(float* to) const {
    for (int r = 0; r < kRows; ++r) {
      FloatSums further{};
      std::memcpy(&further, &offsets_[r], sizeof offsets_[r]);
      to[r * kColumnsTogether] = sumOfLanes(total_[r] + further);
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
      total_[r] += numbersOf(sums[r]) * (decoder_.scale * x_.scales[r * x_.blocks + block]);
      addOffsets(r, first);
    }
  }

  // Each has its own.
  [[gnu::always_inline]] void addScaled(int64_t block, int64_t granules) {
    const int64_t first = block * kGranulesOfBlock;
    FloatSums ofBlock[kRows] = {};
#pragma GCC unroll 8
    for (int64_t i = 0; i < granules; ++i) {
      if (first + i > 0) decoder_.next(matrix_, first_ + first + i);
      IntegerSums sums[kRows] = {};
      addGranule(first + i, i, sums);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        ofBlock[r] += numbersOf(sums[r]) * decoder_.scale;
        addOffsets(r, first + i);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) total_[r] += ofBlock[r] * x_.scales[r * x_.blocks + block];
  }

  [[gnu::always_inline]] void addGranule(int64_t granule, int64_t i, IntegerSums (&sums)[kRows]) const {
    const Shorts codes = decoder_.codes(matrix_, first_ + granule, i);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      Shorts ofX;
      std::memcpy(&ofX, x_.codes + (r * x_.granules + granule) * kGranule, sizeof ofX);
      sums[r] = pairsAdded(sums[r], codes, ofX);
    }
  }

  [[gnu::always_inline]] void addOffsets(int r, int64_t granule) {
    if constexpr (Decoder::kHasOffsets) {
      typename Decoder::Offsets ofX;
      std::memcpy(&ofX, x_.sums + r * x_.granules + granule, sizeof ofX);
      offsets_[r] += decoder_.offsets * ofX;
    }
  }

  static FloatSums numbersOf(const IntegerSums& sums) { return __builtin_convertvector(sums, FloatSums); }

  const PackedMatrix& matrix_;
  const IntegerRows x_;
  const int64_t first_;  // granule of the row
  Decoder decoder_;
  FloatSums total_[kRows] = {};
  typename Decoder::Offsets offsets_[kRows] = {};
};

// to[r·kColumnsTogether] = x_r·W_row for kRows rows of x.
template <typename Decoder, int kRows>
void multiplyRow(const PackedMatrix& matrix, int64_t row, const IntegerRows& x, float* to) {
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

// sums [rows, kColumnsTogether] = x·Wᵀ for `columns` rows of W from `first` on.
template <typename Decoder>
void multiplyRows(const PackedMatrix& matrix, int64_t first, int64_t columns, const IntegerRows& x, int64_t rows,
                  float* sums) {
  const auto forColumns = [&](auto multiply, int64_t r) {
    for (int64_t c = 0; c < columns; ++c) multiply(matrix, first + c, rowsFrom(r, x), sums + r * kColumnsTogether + c);
  };
  for (int64_t r = 0; r < rows; r += kRowsAtOnce) {
    if (rows - r == 1) forColumns(multiplyRow<Decoder, 1>, r);
    else if (rows - r == 2) forColumns(multiplyRow<Decoder, 2>, r);
    else if (rows - r <= 4) forColumns(multiplyRow<Decoder, 4>, r);
    else forColumns(multiplyRow<Decoder, kRowsAtOnce>, r);
  }
}

// sums[r·kColumnsTogether] += low_r·F_column
inline void addLowRank(const FrozenProduct<Bfloat16>& call, int64_t column, float* sums) {
  const Bfloat16* factor = call.factor.data + column * call.factor.stride;
  for (int64_t r = 0; r < call.rows; ++r) {
    const Bfloat16* low = call.low.data + r * call.low.stride;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t k = 0; k < call.rank; ++k) sum += wide(low[k]) * wide(factor[k]);
    sums[r * kColumnsTogether] += sum;
  }
}

inline void integerProduct(const FrozenProduct<Bfloat16>& call, const IntegerRows& x, int64_t begin, int64_t end) {
  alignas(64) float sums[kIntegerRows * kColumnsTogether];
  withIntegers(call.packed->format, [&]<typename Decoder>(Decoder*) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t column = group * kColumnsTogether, count = lesser(kColumnsTogether, call.columns - column);
      multiplyRows<Decoder>(*call.packed, column, count, x, call.rows, sums);
      if (call.rank > 0)
        for (int64_t c = 0; c < count; ++c) addLowRank(call, column + c, sums + c);
      finishTile(call, sums, call.rows, kColumnsTogether, 0, column);
    }
  });
}

}  // namespace bidora::BIDORA_ISA
