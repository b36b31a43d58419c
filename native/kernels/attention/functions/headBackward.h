// The gradients of attention of the heads that share one key head over one row; shapes as in head.h.
#pragma once

#include "head.h"

namespace bidora::BIDORA_VARIANT {

// Recomputes the weights P from products and log-sums; rows beyond `count` get finite values, which are multiplied by
// 0.
template <typename Storage, typename Sum>
void recomputeWeights(Sum* scores, Strided<const Storage> bias, Strided<const Sum> logSums, const HeadShape& shape,
                      const Block& block) {
  const Sum scale = static_cast<Sum>(shape.scale);
  const int64_t width = block.span.width;
  for (int64_t i = 0; i < block.rows; ++i) {
    Sum* row = scores + i * width;
    const bool isQuery = i < block.count;
    finishProducts(row, i, isQuery ? bias : Strided<const Storage>{nullptr, 0}, shape, block);
    const Sum logSum = isQuery ? *logSums.row(block.start + i) : Sum{0};
    for (int64_t j = 0; j < width; j += kLanes<Sum>) store(row + j, exponential(load(row + j) * scale - logSum));
  }
}

// `dropped` receives P ∘ mask; `change`, its gradient, is replaced by the gradient of P.
template <typename Sum>
void dropBackward(const Sum* weights, Sum* dropped, Sum* change, const HeadShape& shape, const Block& block) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  const Sum factor = static_cast<Sum>(factorOf(shape.dropping));
  forEachMask(shape, block, [&](int64_t i, int64_t j, const uint32_t* numbers) {
    const int64_t at = i * block.span.width + j;
    for (int64_t lane = 0; lane < kWidth; ++lane) {
      const Sum kept = numbers[lane] < threshold ? Sum{0} : factor;
      dropped[at + lane] = weights[at + lane] * kept;
      change[at + lane] *= kept;
    }
  });
}

// Replaces the gradient of P by that of Q·Kᵀ, scale·P ∘ (dP − Σⱼ P·dP).
template <typename Sum>
void softmaxBackward(const Sum* weights, Sum* change, int64_t rows, int64_t width, Sum scale) {
  for (int64_t i = 0; i < rows; ++i) {
    const Sum* p = weights + i * width;
    Sum* d = change + i * width;
    Vector<Sum> products{};
    for (int64_t j = 0; j < width; j += kLanes<Sum>) products += load(p + j) * load(d + j);
    const Sum mean = sumOf<Sum>(products);
    for (int64_t j = 0; j < width; j += kLanes<Sum>) store(d + j, load(p + j) * (load(d + j) - mean) * scale);
  }
}

// A head's packed keys and values, and the sums of their gradients.
template <typename Storage>
struct PackedKeys {
  using Word = typename Arithmetic<Storage>::Word;
  using Sum = typename Arithmetic<Storage>::Sum;
  const Word *keys, *values, *keyTokens;
  Sum *keyGradient, *valueGradient;
};

template <typename Storage>
PackedKeys<Storage> packKeys(const HeadShape& shape, Strided<const Storage> k, Strided<const Storage> v,
                             Workspace<Storage>& work) {
  const int64_t size = shape.size, width = shape.width(), sizeWidth = shape.sizeWidth(),
                numbers = roundUpRows<Storage>(shape.keys) * sizeWidth;
  return {packColumns(k, shape.keys, width, size, work.keyRows, work.keyColumns),
          packColumns(v, shape.keys, width, size, work.valueRows, work.valueColumns),
          packTokens(k, shape.keys, width, size, sizeWidth, work.keyTokens), work.keyGradient.need(numbers),
          work.valueGradient.need(numbers)};
}

// Whether the first block writes all sums; otherwise they must be initialized to 0.
inline bool seesAllKeys(const HeadShape& shape) {
  return shape.seen(0, lesser(shape.block(), shape.queries)).count == shape.keys;
}

template <typename Storage, typename Sum>
void zeroSums(const HeadShape& shape, Sum* sums) {
  std::memset(static_cast<void*>(sums), 0, roundUpRows<Storage>(shape.keys) * shape.sizeWidth() * sizeof(Sum));
}

// A query head: its queries and bias, the output's gradient, and as the result the queries' gradient.
template <typename Storage>
struct QueryHead {
  Strided<const Storage> q, bias, out;
  Strided<const SumOf<Storage>> logSums;
  Strided<Storage> ofQ;
};

template <typename Storage>
void attendBlockBackward(const HeadShape& shape, const Block& block, const PackedKeys<Storage>& packed,
                         const QueryHead<Storage>& head, bool accumulate, Workspace<Storage>& work) {
  using A = Arithmetic<Storage>;
  using Word = typename A::Word;
  using Sum = typename A::Sum;
  const auto& [start, count, rows, span] = block;
  const int64_t size = shape.size, width = shape.width(), sizeWidth = shape.sizeWidth(), seen = span.width;
  const int64_t words = depthOf<Storage>(size), depth = depthOf<Storage>(span.count);
  const int64_t keyRows = roundUpRows<Storage>(span.count), first = span.first * sizeWidth;
  const Strided<const Storage> queries{head.q.row(start), head.q.stride}, outs{head.out.row(start), head.out.stride};
  Sum* weights = work.scores.need(rows * seen);
  Sum* change = work.change.need(rows * seen);
  multiply(leftTokens(head.q, start, count, rows, size, work.queryRows), packed.keys + span.first, width, weights, seen,
           rows, seen, words, false);
  recomputeWeights(weights, head.bias, head.logSums, shape, block);
  multiply(leftTokens(head.out, start, count, rows, size, work.outRows), packed.values + span.first, width, change,
           seen, rows, seen, words, false);
  Sum* dropped = weights;
  if (isActive(shape.dropping)) {
    dropped = work.dropped.need(rows * seen);
    dropBackward(weights, dropped, change, shape, block);
  }
  const Word* outTokens = packTokens(outs, count, rows, size, sizeWidth, work.outTokens);
  multiply(alongColumns(dropped, rows, seen, work.leftColumns), outTokens, sizeWidth, packed.valueGradient + first,
           sizeWidth, keyRows, sizeWidth, rows / A::kPerWord, accumulate);
  softmaxBackward(weights, change, rows, seen, static_cast<Sum>(shape.scale));
  const Word* queryTokens = packTokens(queries, count, rows, size, sizeWidth, work.queryTokens);
  multiply(alongColumns(change, rows, seen, work.leftColumns), queryTokens, sizeWidth, packed.keyGradient + first,
           sizeWidth, keyRows, sizeWidth, rows / A::kPerWord, accumulate);
  Sum* queryGradient = work.result.need(rows * sizeWidth);
  multiply(alongRows(change, rows, seen, work.leftRows), packed.keyTokens + first / A::kPerWord, sizeWidth,
           queryGradient, sizeWidth, rows, sizeWidth, depth, false);
  for (int64_t i = 0; i < count; ++i) writeNumbers(queryGradient + i * sizeWidth, size, head.ofQ.row(start + i));
}

}  // namespace bidora::BIDORA_VARIANT
