// Attention of one head over one row, forward. Shapes: Q queries, K keys, head size D, M queries per block.
//
//   S = Q·Kᵀ·scale + bias, P = softmax(S), O = (P ∘ mask)·V
//
// A block of queries holds S for all its keys, so softmax needs one pass; nothing of size Q·K outlives a block.
#pragma once

#include "kernels/dropout/dropRange.h"
#include "packing.h"

namespace bidora::BIDORA_VARIANT {

// Consecutive keys. `first` and `width` are multiples of kWidth; the span may extend beyond the last key.
struct Span {
  int64_t first, count, width;
};

struct HeadShape {
  int64_t queries, keys;  // tokens
  int64_t size;           // D
  int64_t before, after;  // keys that a query attends to around its own position
  double scale;
  Dropping dropping;
  uint32_t head;  // its number among the heads of all rows

  [[gnu::always_inline]] int64_t width() const { return roundUp(keys, kWidth); }
  [[gnu::always_inline]] int64_t sizeWidth() const { return roundUp(size, kWidth); }
  // Queries per block, few enough that their data stays in a core's cache.
  [[gnu::always_inline]] int64_t block() const { return keys <= 256 ? kLargestBlock : 32; }
  // A query attends to the keys begin(query) … end(query) − 1.
  [[gnu::always_inline]] int64_t begin(int64_t query) const { return greater(query + keys - queries - before, 0); }
  [[gnu::always_inline]] int64_t end(int64_t query) const { return lesser(query + keys - queries + after + 1, keys); }
  // The keys that any of these queries attends to.
  [[gnu::always_inline]] Span seen(int64_t firstQuery, int64_t count) const {
    const int64_t first = begin(firstQuery) / kWidth * kWidth, seen = end(firstQuery + count - 1) - first;
    return {first, seen, roundUp(seen, kWidth)};
  }

  static constexpr int64_t kLargestBlock = 64;
};

// One thread's scratch memory, reused for all its heads.
template <typename Storage>
struct Workspace {
  using Word = typename Arithmetic<Storage>::Word;
  using Sum = typename Arithmetic<Storage>::Sum;
  Buffer<Word> queryRows, queryTokens, keyRows, keyColumns, keyTokens, valueRows, valueColumns, valueTokens, outRows,
      outTokens;
  Buffer<Word> leftRows, leftColumns;
  Buffer<Sum> scores, dropped, change, result, keyGradient, valueGradient;
};

// A block of queries and the keys that it attends to; `rows` is `count` rounded up to the rows of a tile.
struct Block {
  int64_t start, count, rows;
  Span span;
};

template <typename Storage, typename Use>
[[gnu::always_inline]] inline void forEachBlock(const HeadShape& shape, Use use) {
  for (int64_t start = 0; start < shape.queries; start += shape.block()) {
    const int64_t count = lesser(shape.block(), shape.queries - start);
    use(Block{start, count, roundUpRows<Storage>(count), shape.seen(start, count)});
  }
}

// Calls use(i, j, numbers) for each query i of a block, with the random numbers of the 16 keys from position j of its
// span on. Counter (key, query / 4, head) serves one key and four queries.
template <typename Use>
[[gnu::always_inline]] inline void forEachMask(const HeadShape& shape, const Block& block, Use use) {
  const uint32_t head = shape.head;
  for (int64_t i = 0; i < block.rows; i += 4) {
    for (int64_t j = 0; j < block.span.width; j += kWidth) {
      const Random random = philox(shape.dropping.key, static_cast<uint32_t>(block.span.first + j),
                                   static_cast<uint32_t>((block.start + i) / 4), head);
      for (int w = 0; w < 4; ++w) {
        uint32_t numbers[kWidth];
        store(numbers, random.words[w]);
        use((i + w), j, numbers);
      }
    }
  }
}

// Sets the scores of keys that query i of a block does not attend to to −∞, so that their weight is 0.
template <typename Sum>
[[gnu::always_inline]] inline void maskUnseen(Sum* row, int64_t i, const HeadShape& shape, const Block& block) {
  const Span& span = block.span;
  const int64_t begin = shape.begin(block.start + i) - span.first, end = shape.end(block.start + i) - span.first;
  for (int64_t j = 0; j < lesser(begin, span.width); ++j) row[j] = -static_cast<Sum>(__builtin_inf());
  for (int64_t j = end; j < span.width; ++j) row[j] = -static_cast<Sum>(__builtin_inf());
}

// Adds the bias of a query, divided by the scale, to its products.
template <typename Storage, typename Sum>
void addBias(Sum* products, const Storage* bias, int64_t count, Sum scale) {
  forEachVector<Sum>(count, [&](int64_t j, int64_t lanes) {
    store(products + j, load(products + j) + loadSome(bias + j, lanes) / scale);
  });
}

// Makes the products of query i of a block ready for softmax.
template <typename Storage, typename Sum>
void finishProducts(Sum* row, int64_t i, Strided<const Storage> bias, const HeadShape& shape, const Block& block) {
  const Span& span = block.span;
  if (bias.data) addBias(row, bias.row(block.start + i) + span.first, span.count, static_cast<Sum>(shape.scale));
  maskUnseen(row, i, shape, block);
}

template <typename Sum>
struct Sums {
  Sum logarithm, sum;
};

// Replaces a row of products s by exp(scale·(s − max)); returns log Σ exp(scale·s) and the sum to normalize by.
template <typename Sum>
Sums<Sum> exponentials(Sum* row, int64_t width, Sum scale) {
  Vector<Sum> largest = load(row);
  for (int64_t j = kLanes<Sum>; j < width; j += kLanes<Sum>) {
    const Vector<Sum> s = load(row + j);
    largest = s > largest ? s : largest;
  }
  const Sum max = maxOf<Sum>(largest);
  Vector<Sum> sums{};
  for (int64_t j = 0; j < width; j += kLanes<Sum>) {
    const Vector<Sum> e = exponential((load(row + j) - max) * scale);
    sums += e;
    store(row + j, e);
  }
  const Sum sum = sumOf<Sum>(sums);
  return {max * scale + logarithm(sum), sum};
}

template <typename Sum>
void drop(Sum* scores, const HeadShape& shape, const Block& block) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  forEachMask(shape, block, [&](int64_t i, int64_t j, const uint32_t* numbers) {
    Sum* at = scores + i * block.span.width + j;
    for (int64_t lane = 0; lane < kWidth; ++lane) at[lane] = numbers[lane] < threshold ? Sum{0} : at[lane];
  });
}

// `from` is padded to whole vectors.
template <typename Storage, typename Sum>
void writeRow(const Sum* from, int64_t size, Sum factor, Storage* to) {
  forEachVector<Sum>(size, [&](int64_t d, int64_t lanes) { storeSome<Sum>(to + d, load(from + d) * factor, lanes); });
}

// One head's tokens.
template <typename Storage>
struct HeadInputs {
  Strided<const Storage> q, k, v;
  Strided<const Storage> bias = {nullptr, 0};
};

// logSums[i·logSumStride] receives log Σⱼ exp(S[i][j]), which the backward pass needs.
template <typename Storage, typename Sum = typename Arithmetic<Storage>::Sum>
void attendHead(const HeadShape& shape, const HeadInputs<Storage>& inputs, Strided<Storage> out, Strided<Sum> logSums,
                Workspace<Storage>& work) {
  using A = Arithmetic<Storage>;
  const auto& [q, k, v, bias] = inputs;
  const int64_t size = shape.size, width = shape.width(), sizeWidth = shape.sizeWidth();
  const int64_t words = depthOf<Storage>(size);
  const auto* keys = packColumns(k, shape.keys, width, size, work.keyRows, work.keyColumns);
  const auto* values = packTokens(v, shape.keys, width, size, sizeWidth, work.valueTokens);
  const Sum kept = isActive(shape.dropping) ? static_cast<Sum>(factorOf(shape.dropping)) : Sum{1};
  forEachBlock<Storage>(shape, [&](const Block& block) {
    const auto& [start, count, rows, span] = block;
    const auto* queries =
        packRows(Strided<const Storage>{q.row(start), q.stride}, count, rows, size, words, work.queryRows);
    Sum* scores = work.scores.need(rows * span.width);
    multiply(Left<typename A::Word>{queries, words, 1}, keys + span.first, width, scores, span.width, rows, span.width,
             words, false);
    Sum sums[HeadShape::kLargestBlock];
    for (int64_t i = 0; i < count; ++i) {
      finishProducts(scores + i * span.width, i, bias, shape, block);
      const auto [logSum, sum] = exponentials(scores + i * span.width, span.width, static_cast<Sum>(shape.scale));
      *logSums.row(start + i) = logSum;
      sums[i] = sum;
    }
    if (isActive(shape.dropping)) drop(scores, shape, block);
    Sum* mixed = work.result.need(rows * sizeWidth);
    multiply(alongRows(scores, rows, span.width, work.leftRows), values + span.first / A::kPerWord * sizeWidth,
             sizeWidth, mixed, sizeWidth, rows, sizeWidth, depthOf<Storage>(span.count), false);
    for (int64_t i = 0; i < count; ++i) writeRow(mixed + i * sizeWidth, size, kept / sums[i], out.row(start + i));
  });
}

}  // namespace bidora::BIDORA_VARIANT
