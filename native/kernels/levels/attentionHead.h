// Attention of one head over one row, forward and backward. Shapes: L tokens, D numbers a token, M queries of a block.
//
//   S = Q·Kᵀ·scale, P = softmax(S), O = (P ∘ mask)·V
//
// A block of queries sees its whole rows of S at once, so softmax needs one pass; nothing of size L·L outlives a block.
#pragma once

#include "attentionPacking.h"
#include "dropoutRange.h"

namespace bidora::BIDORA_LEVEL {

struct HeadShape {
  int64_t length;  // L
  int64_t size;    // D
  double scale;
  Dropping dropping;
  uint32_t head;   // counted through all rows

  [[gnu::always_inline]] int64_t width() const { return roundUp(length, kWidth); }
  [[gnu::always_inline]] int64_t sizeWidth() const { return roundUp(size, kWidth); }
  // Queries at a time: what they need should stay in a core's cache.
  [[gnu::always_inline]] int64_t block() const { return length <= 256 ? 64 : 32; }
};

// What one thread needs, reused from head to head.
template <typename Storage>
struct Workspace {
  using Word = typename Arithmetic<Storage>::Word;
  using Sum = typename Arithmetic<Storage>::Sum;
  Buffer<Word> queryRows, queryTokens, keyRows, keyColumns, keyTokens, valueRows, valueColumns, valueTokens, outRows, outTokens;
  Buffer<Word> leftRows, leftColumns;
  Buffer<Sum> scores, dropped, change, result, keyGradient, valueGradient;
};

// use(i, j, numbers) for each query i, counted from `firstQuery`, and the random numbers of its 16 keys from j on. Counter
// (j, i / 4, head) serves one key and four queries.
template <typename Use>
[[gnu::always_inline]] inline void forEachMask(const HeadShape& shape, int64_t firstQuery, int64_t rows, Use use) {
  const uint32_t head = shape.head;
  for (int64_t i = 0; i < rows; i += 4) {
    for (int64_t j = 0; j < shape.width(); j += kWidth) {
      const Random random = philox(shape.dropping.key, static_cast<uint32_t>(j), static_cast<uint32_t>((firstQuery + i) / 4), head);
      for (int w = 0; w < 4; ++w) {
        uint32_t numbers[kWidth];
        store(numbers, random.words[w]);
        use((i + w), j, numbers);
      }
    }
  }
}

// The keys' padding gets −∞, so that its weight is 0.
template <typename Sum>
void hidePadding(Sum* row, const HeadShape& shape) {
  for (int64_t j = shape.length; j < shape.width(); ++j) row[j] = -static_cast<Sum>(__builtin_inf());
}

template <typename Sum>
struct Sums {
  Sum logarithm, sum;
};

// A row of products becomes exp(scale·(s − max)); returns the logarithm of Σ exp(scale·s) and the sum that normalises.
template <typename Sum>
Sums<Sum> exponentials(Sum* row, const HeadShape& shape) {
  hidePadding(row, shape);
  const Sum scale = static_cast<Sum>(shape.scale);
  Vector<Sum> largest = load(row);
  for (int64_t j = kLanes<Sum>; j < shape.width(); j += kLanes<Sum>) {
    const Vector<Sum> s = load(row + j);
    largest = s > largest ? s : largest;
  }
  const Sum max = maxOf<Sum>(largest);
  Vector<Sum> sums{};
  for (int64_t j = 0; j < shape.width(); j += kLanes<Sum>) {
    const Vector<Sum> e = exponential((load(row + j) - max) * scale);
    sums += e;
    store(row + j, e);
  }
  const Sum sum = sumOf<Sum>(sums);
  return {max * scale + logarithm(sum), sum};
}

template <typename Sum>
void drop(Sum* scores, int64_t firstQuery, int64_t rows, const HeadShape& shape) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  const int64_t width = shape.width();
  forEachMask(shape, firstQuery, rows, [&](int64_t i, int64_t j, const uint32_t* numbers) {
    Sum* at = scores + i * width + j;
    for (int64_t lane = 0; lane < kWidth; ++lane) at[lane] = numbers[lane] < threshold ? Sum{0} : at[lane];
  });
}

template <typename Storage, typename Sum>
void writeRow(Sum* from, int64_t size, Sum factor, Storage* to) {
  for (int64_t d = 0; d < size; ++d) from[d] *= factor;
  writeNumbers(from, size, to);
}

// logSums[i·logSumStride] receives log Σⱼ exp(S[i][j]), which the backward pass takes.
template <typename Storage, typename Sum = typename Arithmetic<Storage>::Sum>
void attendHead(const HeadShape& shape, Strided<const Storage> q, Strided<const Storage> k, Strided<const Storage> v, Strided<Storage> out,
                Strided<Sum> logSums, Workspace<Storage>& work) {
  using A = Arithmetic<Storage>;
  const int64_t length = shape.length, size = shape.size, width = shape.width(), sizeWidth = shape.sizeWidth();
  const int64_t words = roundUp(size, A::kPerWord) / A::kPerWord;
  const auto* keys = transpose(packRows(k, length, width, size, words, work.keyRows), width, words, work.keyColumns);
  const auto* values = packTokens(v, length, width, size, sizeWidth, work.valueTokens);
  const int64_t depth = roundUp(length, A::kPerWord) / A::kPerWord;
  for (int64_t start = 0; start < length; start += shape.block()) {
    const int64_t count = lesser(shape.block(), length - start), rows = roundUp(count, 4);
    const auto* queries = packRows(Strided<const Storage>{q.row(start), q.stride}, count, rows, size, words, work.queryRows);
    Sum* scores = work.scores.need(rows * width);
    product(Left<typename A::Word>{queries, words, 1}, keys, width, scores, width, rows, width, words, false);
    Sum sums[64];
    for (int64_t i = 0; i < count; ++i) {
      const auto [logSum, sum] = exponentials(scores + i * width, shape);
      *logSums.row(start + i) = logSum;
      sums[i] = sum;
    }
    if (isActive(shape.dropping)) drop(scores, start, rows, shape);
    Sum* mixed = work.result.need(rows * sizeWidth);
    product(alongRows(scores, rows, width, work.leftRows), values, sizeWidth, mixed, sizeWidth, rows, sizeWidth, depth, false);
    const Sum factor = isActive(shape.dropping) ? static_cast<Sum>(factorOf(shape.dropping)) : Sum{1};
    for (int64_t i = 0; i < count; ++i) writeRow(mixed + i * sizeWidth, size, factor / sums[i], out.row(start + i));
  }
}

// From products and log-sums back to the weights P; rows beyond `count` become finite numbers that zeros meet.
template <typename Sum>
void weightsAgain(Sum* scores, int64_t start, int64_t count, int64_t rows, Strided<const Sum> logSums, const HeadShape& shape) {
  const Sum scale = static_cast<Sum>(shape.scale);
  const int64_t width = shape.width();
  for (int64_t i = 0; i < rows; ++i) {
    Sum* row = scores + i * width;
    hidePadding(row, shape);
    const Sum logSum = i < count ? *logSums.row(start + i) : Sum{0};
    for (int64_t j = 0; j < width; j += kLanes<Sum>) store(row + j, exponential(load(row + j) * scale - logSum));
  }
}

// `dropped` receives P ∘ mask; `change`, the gradient of that, becomes the gradient of P.
template <typename Sum>
void dropBackward(const Sum* weights, Sum* dropped, Sum* change, int64_t start, int64_t rows, const HeadShape& shape) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  const Sum factor = static_cast<Sum>(factorOf(shape.dropping));
  const int64_t width = shape.width();
  forEachMask(shape, start, rows, [&](int64_t i, int64_t j, const uint32_t* numbers) {
    const int64_t at = i * width + j;
    for (int64_t lane = 0; lane < kWidth; ++lane) {
      const Sum kept = numbers[lane] < threshold ? Sum{0} : factor;
      dropped[at + lane] = weights[at + lane] * kept;
      change[at + lane] *= kept;
    }
  });
}

// The gradient of P becomes that of Q·Kᵀ: scale·P ∘ (dP − Σⱼ P·dP).
template <typename Sum>
void softmaxBackward(const Sum* weights, Sum* change, int64_t rows, const HeadShape& shape) {
  const Sum scale = static_cast<Sum>(shape.scale);
  const int64_t width = shape.width();
  for (int64_t i = 0; i < rows; ++i) {
    const Sum* p = weights + i * width;
    Sum* d = change + i * width;
    Vector<Sum> products{};
    for (int64_t j = 0; j < width; j += kLanes<Sum>) products += load(p + j) * load(d + j);
    const Sum mean = sumOf<Sum>(products);
    for (int64_t j = 0; j < width; j += kLanes<Sum>) store(d + j, load(p + j) * (load(d + j) - mean) * scale);
  }
}

template <typename Storage>
struct HeadGradients {
  Strided<Storage> q, k, v;
};

template <typename Storage, typename Sum = typename Arithmetic<Storage>::Sum>
void attendHeadBackward(const HeadShape& shape, Strided<const Storage> q, Strided<const Storage> k, Strided<const Storage> v,
                        Strided<const Storage> out, Strided<const Sum> logSums, const HeadGradients<Storage>& gradients,
                        Workspace<Storage>& work) {
  using A = Arithmetic<Storage>;
  using Word = typename A::Word;
  const int64_t length = shape.length, size = shape.size, width = shape.width(), sizeWidth = shape.sizeWidth();
  const int64_t words = roundUp(size, A::kPerWord) / A::kPerWord, depth = roundUp(length, A::kPerWord) / A::kPerWord;
  const int64_t keyRows = roundUp(length, 4);
  const Word* keys = transpose(packRows(k, length, width, size, words, work.keyRows), width, words, work.keyColumns);
  const Word* values = transpose(packRows(v, length, width, size, words, work.valueRows), width, words, work.valueColumns);
  const Word* keyTokens = packTokens(k, length, width, size, sizeWidth, work.keyTokens);
  Sum* keyGradient = work.keyGradient.need(keyRows * sizeWidth);
  Sum* valueGradient = work.valueGradient.need(keyRows * sizeWidth);
  for (int64_t start = 0; start < length; start += shape.block()) {
    const int64_t count = lesser(shape.block(), length - start), rows = roundUp(count, 4);
    const Strided<const Storage> queries{q.row(start), q.stride}, outs{out.row(start), out.stride};
    const Word* queryRows = packRows(queries, count, rows, size, words, work.queryRows);
    const Word* outRows = packRows(outs, count, rows, size, words, work.outRows);
    Sum* weights = work.scores.need(rows * width);
    Sum* change = work.change.need(rows * width);
    product(Left<Word>{queryRows, words, 1}, keys, width, weights, width, rows, width, words, false);
    weightsAgain(weights, start, count, rows, logSums, shape);
    product(Left<Word>{outRows, words, 1}, values, width, change, width, rows, width, words, false);
    Sum* dropped = weights;
    if (isActive(shape.dropping)) {
      dropped = work.dropped.need(rows * width);
      dropBackward(weights, dropped, change, start, rows, shape);
    }
    const Word* outTokens = packTokens(outs, count, rows, size, sizeWidth, work.outTokens);
    product(alongColumns(dropped, rows, width, work.leftColumns), outTokens, sizeWidth, valueGradient, sizeWidth, keyRows, sizeWidth,
            rows / A::kPerWord, start > 0);
    softmaxBackward(weights, change, rows, shape);
    const Word* queryTokens = packTokens(queries, count, rows, size, sizeWidth, work.queryTokens);
    product(alongColumns(change, rows, width, work.leftColumns), queryTokens, sizeWidth, keyGradient, sizeWidth, keyRows, sizeWidth,
            rows / A::kPerWord, start > 0);
    Sum* queryGradient = work.result.need(rows * sizeWidth);
    product(alongRows(change, rows, width, work.leftRows), keyTokens, sizeWidth, queryGradient, sizeWidth, rows, sizeWidth, depth, false);
    for (int64_t i = 0; i < count; ++i) writeNumbers(queryGradient + i * sizeWidth, size, gradients.q.row(start + i));
  }
  for (int64_t j = 0; j < length; ++j) {
    writeNumbers(keyGradient + j * sizeWidth, size, gradients.k.row(j));
    writeNumbers(valueGradient + j * sizeWidth, size, gradients.v.row(j));
  }
}

}  // namespace bidora::BIDORA_LEVEL
