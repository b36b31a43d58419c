// The terms of the norms of DoRA's directions; see directionNorm.cpp.
#include "functions.h"
#include "functions/byTiles.h"
#include "kernels/packed/functions/decode.h"
#include "kernels/simd/buffer.h"
#include "kernels/simd/numbers.h"
#include "kernels/simd/tiles.h"

namespace bidora::BIDORA_VARIANT {

template <typename T>
bool directionSquares(const DirectionTerms<T>& terms, T* squares) {
  for (int64_t i = 0; i < terms.rows; ++i) {
    T cross = 0, own = 0;
    for (int64_t k = i * terms.rank; k < (i + 1) * terms.rank; ++k) {
      cross += terms.projected[k] * terms.b[k];
      own += terms.bGram[k] * terms.b[k];
    }
    const T positive = terms.base[i] + terms.scale * terms.scale * own, squared = positive + 2 * terms.scale * cross;
    if (!(squared > terms.cancellation * positive)) return false;
    squares[i] = squared;
  }
  return true;
}

template <typename T>
void directionGradients(const DirectionGradients<T>& terms) {
  for (int64_t i = 0; i < terms.rows; ++i) {
    const T factor = terms.norm[i] > terms.smallest ? terms.scale * (terms.ofNorm[i] / terms.norm[i]) : T{0};
    for (int64_t k = i * terms.rank; k < (i + 1) * terms.rank; ++k) {
      terms.weighted[k] = factor * terms.b[k];
      terms.ofB[k] = factor * (terms.projected[k] + terms.scale * terms.bGram[k]);
    }
  }
}

// Ranks per pass, few enough that all sums stay in registers.
constexpr int kMostRanks = kHasManyRegisters ? 8 : 4;

// Each of two vectors holds the partial sums of kSources sums; the result holds those of twice as many sums, with half
// as many partial sums of each.
template <int kSources, typename T, int... kPlaces>
[[gnu::always_inline]] inline Vector<T> foldPair(const Vector<T>& a, const Vector<T>& b,
                                                 std::integer_sequence<int, kPlaces...>) {
  constexpr int kParts = kLanes<T> / kSources, kLeft = kParts / 2;
  constexpr auto firstHalf = [](int place) { return place / kLeft * kParts + place % kLeft; };
  return __builtin_shufflevector(a, b, firstHalf(kPlaces)...) +
         __builtin_shufflevector(a, b, firstHalf(kPlaces) + kLeft...);
}

// Writes the sum of each of `kCount` vectors, a power of two of at most 8; the vectors are overwritten.
template <int kCount, typename T>
[[gnu::always_inline]] inline void sumEach(Vector<T>* vectors, T* to) {
  constexpr auto kPlaces = std::make_integer_sequence<int, kLanes<T>>{};
  if constexpr (kCount > kLanes<T>) {
    sumEach<kCount / 2>(vectors, to);
    sumEach<kCount / 2>(vectors + kCount / 2, to + kCount / 2);
  } else {
    if constexpr (kCount >= 2)
      for (int64_t i = 0; i < kCount / 2; ++i) vectors[i] = foldPair<1, T>(vectors[2 * i], vectors[2 * i + 1], kPlaces);
    if constexpr (kCount >= 4)
      for (int64_t i = 0; i < kCount / 4; ++i) vectors[i] = foldPair<2, T>(vectors[2 * i], vectors[2 * i + 1], kPlaces);
    if constexpr (kCount >= 8) vectors[0] = foldPair<4, T>(vectors[0], vectors[1], kPlaces);
    constexpr int kParts = kLanes<T> / kCount;
    T parts[kLanes<T>];
    store(parts, vectors[0]);
    for (int i = 0; i < kCount; ++i) {
      to[i] = parts[i * kParts];
      for (int part = 1; part < kParts; ++part) to[i] += parts[i * kParts + part];
    }
  }
}

// kRows rows of the weight times kRanks rows of the other operand.
template <int kRows, int kRanks, typename T, typename Sum = SumOf<T>>
[[gnu::always_inline]] inline void multiplyRows(const WeightProduct<T>& call, int64_t row, int64_t rank) {
  const T* w = call.weight.data + row * call.weight.stride;
  const Sum* other = call.other + rank * call.in;
  Vector<Sum> sums[kRows][kRanks] = {};
  int64_t j = 0;
  for (; j + kLanes<Sum> <= call.in; j += kLanes<Sum>) {
    Vector<Sum> numbers[kRows];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) numbers[i] = loadWide(w + i * call.weight.stride + j);
#pragma GCC unroll 8
    for (int k = 0; k < kRanks; ++k) {
      const Vector<Sum> by = load(other + k * call.in + j);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) sums[i][k] += numbers[i] * by;
    }
  }
  for (int i = 0; i < kRows; ++i) {
    Sum* to = call.result + (row + i) * call.rank + rank;
    sumEach<kRanks, Sum>(sums[i], to);
    for (int64_t rest = j; rest < call.in; ++rest)
      for (int k = 0; k < kRanks; ++k) to[k] += wide(w[i * call.weight.stride + rest]) * other[k * call.in + rest];
  }
}

template <int kRanks, typename T>
void multiplyAllRows(const WeightProduct<T>& call, int64_t begin, int64_t end, int64_t rank) {
  constexpr int kRows = kHasManyRegisters ? 3 : 2;
  int64_t row = begin;
  for (; row + kRows <= end; row += kRows) multiplyRows<kRows, kRanks>(call, row, rank);
  for (; row < end; ++row) multiplyRows<1, kRanks>(call, row, rank);
}

// Rows `begin` … `end` − 1 of the weight for columns from `column` on: in place, or decoded into `buffer`.
template <typename T>
WeightProduct<T> withRows(const WeightProduct<T>& call, int64_t begin, int64_t end, int64_t column, int64_t columns,
                          Buffer<T>& buffer) {
  WeightProduct<T> rows = call;
  if constexpr (!std::is_same_v<T, double>) {
    if (!call.packed) return rows;
    T* to = buffer.need((end - begin) * columns);
    for (int64_t row = begin; row < end; ++row)
      decode(*call.packed, row, column, columns, to + (row - begin) * columns);
    // Addressed as if it were the whole weight.
    rows.weight = {to - begin * columns - column, columns};
  }
  return rows;
}

template <typename T>
void weightTimesRows(const WeightProduct<T>& call, int64_t begin, int64_t end) {
  int64_t rank = 0;
  for (; rank + kMostRanks <= call.rank; rank += kMostRanks) multiplyAllRows<kMostRanks>(call, begin, end, rank);
  for (; rank + 2 <= call.rank; rank += 2) multiplyAllRows<2>(call, begin, end, rank);
  if (rank < call.rank) multiplyAllRows<1>(call, begin, end, rank);
}

constexpr int64_t kDecodedRows = 12;  // of a packed weight, which stay in the inner caches

template <typename T>
void weightTimes(const WeightProduct<T>& call, int64_t begin, int64_t end) {
#ifdef BIDORA_AMX
  if constexpr (std::is_same_v<T, Bfloat16>)
    if (hasTiles()) return weightTimesByTiles(call, begin, end);
#endif
  if (!call.packed) return weightTimesRows(call, begin, end);
  Buffer<T> buffer;
  for (int64_t row = begin; row < end; row += kDecodedRows) {
    const int64_t last = lesser(row + kDecodedRows, end);
    weightTimesRows(withRows(call, row, last, 0, call.in, buffer), row, last);
  }
}

constexpr int64_t kRowsAtOnce = 64;  // rows of the weight, few enough to stay in the inner caches

// Adds the contribution of `rows` rows to kVectors vectors of columns in kRanks of the result's rows.
template <int kRanks, int kVectors, typename T, typename Sum = SumOf<T>>
[[gnu::always_inline]] inline void addStrip(const WeightProduct<T>& call, int64_t row, int64_t rows, int64_t rank,
                                            int64_t column) {
  const T* w = call.weight.data + row * call.weight.stride + column;
  const Sum* by = call.other + row * call.rank + rank;
  Sum* to = call.result + rank * call.in + column;
  Vector<Sum> sums[kRanks][kVectors];
#pragma GCC unroll 8
  for (int k = 0; k < kRanks; ++k)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[k][v] = load(to + k * call.in + v * kLanes<Sum>);
  for (int64_t i = 0; i < rows; ++i, w += call.weight.stride, by += call.rank) {
    Vector<Sum> numbers[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) numbers[v] = loadWide(w + v * kLanes<Sum>);
#pragma GCC unroll 8
    for (int k = 0; k < kRanks; ++k)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[k][v] += by[k] * numbers[v];
  }
#pragma GCC unroll 8
  for (int k = 0; k < kRanks; ++k)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(to + k * call.in + v * kLanes<Sum>, sums[k][v]);
}

template <int kRanks, typename T, typename Sum = SumOf<T>>
void addRows(const WeightProduct<T>& call, int64_t row, int64_t rows, int64_t rank, int64_t begin, int64_t end) {
  constexpr int kVectors = kHasManyRegisters ? 3 : 2;
  int64_t column = begin;
  for (; column + kVectors * kLanes<Sum> <= end; column += kVectors * kLanes<Sum>)
    addStrip<kRanks, kVectors>(call, row, rows, rank, column);
  for (; column + kLanes<Sum> <= end; column += kLanes<Sum>) addStrip<kRanks, 1>(call, row, rows, rank, column);
  for (; column < end; ++column)
    for (int64_t i = row; i < row + rows; ++i)
      for (int k = 0; k < kRanks; ++k)
        call.result[(rank + k) * call.in + column] +=
            call.other[i * call.rank + rank + k] * wide(call.weight.data[i * call.weight.stride + column]);
}

template <typename T, typename Sum = SumOf<T>>
void timesWeight(const WeightProduct<T>& call, int64_t begin, int64_t end) {
  for (int64_t k = 0; k < call.rank; ++k)
    std::memset(static_cast<void*>(call.result + k * call.in + begin), 0, (end - begin) * sizeof(Sum));
  Buffer<T> buffer;
  for (int64_t row = 0; row < call.out; row += kRowsAtOnce) {
    const int64_t rows = lesser(kRowsAtOnce, call.out - row);
    const auto some = withRows(call, row, row + rows, begin, end - begin, buffer);
    int64_t rank = 0;
    for (; rank + kMostRanks <= call.rank; rank += kMostRanks) addRows<kMostRanks>(some, row, rows, rank, begin, end);
    for (; rank + 2 <= call.rank; rank += 2) addRows<2>(some, row, rows, rank, begin, end);
    if (rank < call.rank) addRows<1>(some, row, rows, rank, begin, end);
  }
}

BIDORA_DEFINE_TABLE(DirectionFunctions, .directionSquares = directionSquares<SumOf<T>>,
                    .directionGradients = directionGradients<SumOf<T>>, .weightTimes = weightTimes<T>,
                    .timesWeight = timesWeight<T>)

}  // namespace bidora::BIDORA_VARIANT
