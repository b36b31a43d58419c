// Attention of a few new queries over cached keys, which are read in place and only once for all the query heads that
// share a key head. Sums have the order of attendHead, so that a token's bits do not depend on the number of other
// tokens. M: the queries of a group of heads, head by head.
#pragma once

#include "kernels/products/functions/fewRows.h"
#include "kernels/products/functions/outerProduct.h"
#include "rows.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS

template <typename T>
struct KeyGroup {
  HeadShape shape;  // of its first head
  Span span;        // the keys that some query attends to
  int64_t heads;
  Strided<const T> q, k, v;  // q of the first head
  Strided<T> out;

  int64_t count() const { return heads * shape.queries; }
  // The elements of query m, and its output.
  const T* query(int64_t m) const { return q.row(m % shape.queries) + m / shape.queries * shape.size; }
  T* result(int64_t m) const { return out.row(m % shape.queries) + m / shape.queries * shape.size; }
};

template <typename T>
KeyGroup<T> keyGroup(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, int64_t row,
                     int64_t keyHead) {
  const int64_t start = shape.queryStarts[row], keyStart = shape.keyStarts[row], size = shape.size,
                heads = shape.heads / shape.kvHeads;
  const HeadShape first = headShape(shape, row, keyHead * heads);
  return {first,
          first.seen(0, first.queries),
          heads,
          headOf(inputs.q, start, keyHead * heads, size),
          headOf(inputs.k, keyStart, keyHead, size),
          headOf(inputs.v, keyStart, keyHead, size),
          headOf(out, start, keyHead * heads, size)};
}

// Whether a row has few queries, and keys that can be read as words.
template <typename T>
bool hasFewQueries(const AttentionShape& shape, const AttentionInputs<T>& inputs, int64_t row) {
  using A = Arithmetic<T>;
  const int64_t queries = shape.queryStarts[row + 1] - shape.queryStarts[row];
  return queries * (shape.heads / shape.kvHeads) <= kFewRows && !isActive(shape.dropping) &&
         shape.size % A::kPerWord == 0 && inputs.k.stride % A::kPerWord == 0 &&
         reinterpret_cast<uintptr_t>(inputs.k.data) % sizeof(WordOf<T>) == 0;
}

template <typename T>
const WordOf<T>* packQueries(const KeyGroup<T>& group, Buffer<WordOf<T>>& buffer) {
  const int64_t words = wordsOf<T>(group.shape.size), padded = paddedRows(group.count());
  WordOf<T>* to = buffer.need(roundUp(words, kLineWords) * padded);
  packLines<T>([&](int64_t m) { return group.query(m); }, group.count(), words, padded, to);
  return to;
}

// Products of the queries with keys begin … end − 1 of the span, [M, width]; begin and end are multiples of kWidth.
template <typename T>
void scoreKeys(const KeyGroup<T>& group, const WordOf<T>* queries, int64_t begin, int64_t end, float* scores) {
  const Rows<const T> keys{group.k.data, group.k.stride};
  const int64_t words = wordsOf<T>(group.shape.size), first = group.span.first;
  alignas(kVectorBytes) float sums[kFewRows * kRowsTogether];
  for (int64_t j = begin; j < end; j += kRowsTogether) {
    std::memset(sums, 0, sizeof sums);
    addTogether<T>(queries, group.count(), keys, words, first + j, group.shape.keys, sums);
    for (int64_t m = 0; m < group.count(); ++m)
      store(scores + m * group.span.width + j, load(sums + m * kRowsTogether));
  }
}

// Replaces a row of products by its unnormalized weights, as words; returns their sum.
template <typename T>
float weighKeys(const KeyGroup<T>& group, int64_t m, float* row) {
  const Block block{0, group.shape.queries, group.shape.queries, group.span};
  maskUnseen(row, m % group.shape.queries, group.shape, block);
  const float sum = exponentials(row, group.span.width, static_cast<float>(group.shape.scale)).sum;
  if constexpr (Arithmetic<T>::kPerWord == 2)
    for (int64_t j = 0; j < group.span.width; j += kLanes<float>)
      storeNumbers(reinterpret_cast<Bfloat16*>(row) + j, load(row + j));
  return sum;
}

// Weights times values for kVectors vectors of a head's elements from `first` on: [kRows, kVectors · lanes].
template <typename T, int kRows, int kVectors>
void mixTile(const KeyGroup<T>& group, const WordOf<T>* const* weights, int64_t first, int64_t count, float* mixed) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  const int64_t words = wordsOf<T>(group.span.count), stride = group.v.stride;
  const T* row = group.v.row(group.span.first) + first;
  Vector<float> total[kRows][kVectors] = {};
  for (int64_t n = 0; n < words; ++n, row += kPerWord * stride) {
    const bool hasBelow = kPerWord == 2 && 2 * n + 1 < group.span.count;
    Vector<float> values[kVectors / 2][2];
#pragma GCC unroll 2
    for (int64_t v = 0; v < kVectors / 2; ++v) {
      for (int64_t i = 0; i < kPerWord; ++i) __builtin_prefetch(row + (kRowsAhead + i) * stride + v * kColumnsAtOnce);
      const int64_t left = lesser(greater(count - v * kColumnsAtOnce, 0), kColumnsAtOnce);
      const T* from = row + v * kColumnsAtOnce;
      loadWords(from, hasBelow ? from + stride : nullptr, left, values[v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) addWords(total[r][v], weights[r][n], values[v / 2][v % 2]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) store(mixed + (r * kVectors + v) * kLanes<float>, total[r][v]);
}

// For up to kRows queries from m on; the last one fills in for missing ones.
template <typename T, int kRows, int kVectors>
void mixSome(const KeyGroup<T>& group, int64_t m, const float* weights, const float* sums, int64_t begin, int64_t end) {
  constexpr int64_t kWide = kVectors * kLanes<float>;
  const int64_t there = lesser(kRows, group.count() - m);
  const WordOf<T>* rows[kRows];
  for (int64_t r = 0; r < kRows; ++r)
    rows[r] = reinterpret_cast<const WordOf<T>*>(weights + (m + lesser(r, there - 1)) * group.span.width);
  alignas(kVectorBytes) float mixed[kRows * kWide];
  for (int64_t d = begin; d < end; d += kWide) {
    const int64_t count = lesser(kWide, end - d);
    mixTile<T, kRows, kVectors>(group, rows, d, count, mixed);
    for (int64_t r = 0; r < there; ++r) writeRow(mixed + r * kWide, count, 1 / sums[m + r], group.result(m + r) + d);
  }
}

// Elements begin … end − 1 of the group's results.
template <typename T>
void mixValues(const KeyGroup<T>& group, const float* weights, const float* sums, int64_t begin, int64_t end) {
  const int64_t count = group.count();
  if (count == 1) mixSome<T, 1, 4>(group, 0, weights, sums, begin, end);
  else if (count == 2) mixSome<T, 2, 4>(group, 0, weights, sums, begin, end);
  else if (count <= 4) mixSome<T, 4, 4>(group, 0, weights, sums, begin, end);
  else
    for (int64_t m = 0; m < count; m += 8) mixSome<T, 8, 2>(group, m, weights, sums, begin, end);
}

template <typename T>
struct CachedWork {
  Workspace<T> heads;
  Buffer<WordOf<T>> queries;
  Buffer<float> scores;
};

template <typename T>
void attendGroup(const KeyGroup<T>& group, CachedWork<T>& work) {
  const auto* queries = packQueries(group, work.queries);
  float *scores = work.scores.need(group.count() * group.span.width), sums[kFewRows];
  scoreKeys(group, queries, 0, group.span.width, scores);
  for (int64_t m = 0; m < group.count(); ++m) sums[m] = weighKeys(group, m, scores + m * group.span.width);
  mixValues(group, scores, sums, 0, group.shape.size);
}

template <typename T>
void attendCached(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, float* logSums,
                  int64_t& next) {
  const int64_t group = shape.heads / shape.kvHeads;
  forEachOfRows<T, CachedWork<T>>(shape.rows, shape.heads, next, [&](int64_t row, int64_t head, CachedWork<T>& work) {
    if (!hasFewQueries(shape, inputs, row)) attendRowHead(shape, inputs, out, logSums, row, head, work.heads);
    else if (head % group == 0) attendGroup(keyGroup(shape, inputs, out, row, head / group), work);
  });
}

template <typename T>
bool attendsInSteps(const AttentionShape& shape, const AttentionInputs<T>& inputs) {
  for (int64_t row = 0; row < shape.rows; ++row)
    if (!hasFewQueries(shape, inputs, row)) return false;
  return true;
}

// Part number `part` of `parts` of 0 … size − 1, cut at multiples of `step`.
inline Span partOf(int64_t size, int64_t step, int64_t part, int64_t parts) {
  const int64_t steps = (size + step - 1) / step, begin = steps * part / parts * step,
                end = lesser(steps * (part + 1) / parts * step, size);
  return {begin, end - begin, end - begin};
}

template <typename T>
void attendStep(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out,
                const SharedKeys<float>& shared, KeyStep step, int64_t& next) {
  const int64_t tasks = shape.kvHeads * shared.parts;
  forEachOfRows<T, CachedWork<T>>(shape.rows, tasks, next, [&](int64_t row, int64_t task, CachedWork<T>& work) {
    const int64_t keyHead = task / shared.parts, part = task % shared.parts;
    const KeyGroup<T> group = keyGroup(shape, inputs, out, row, keyHead);
    const int64_t count = group.count(), width = group.span.width;
    float *scores = shared.weights + shared.offsets[row] + keyHead * count * (width + 1),
          *sums = scores + count * width;
    if (step == KeyStep::score) {
      const Span keys = partOf(width, 16, part, shared.parts);
      scoreKeys(group, packQueries(group, work.queries), keys.first, keys.first + keys.count, scores);
    } else if (step == KeyStep::weigh) {
      for (int64_t m = part; m < count; m += shared.parts) sums[m] = weighKeys(group, m, scores + m * width);
    } else {
      const Span numbers = partOf(shape.size, 32, part, shared.parts);
      mixValues(group, scores, sums, numbers.first, numbers.first + numbers.count);
    }
  });
}

#endif

}  // namespace bidora::BIDORA_VARIANT
