// Attention over rows and heads, and its masks.
#pragma once

#include "head.h"
#include "headBackward.h"
#include "kernels/attention/functions.h"

namespace bidora::BIDORA_VARIANT {

// Runs work(row, number, workspace) for every number below `count` in every row, until none is left.
template <typename Storage, typename Workspace, typename Work>
void forEachOfRows(int64_t rows, int64_t count, int64_t& next, Work work) {
  Workspace workspace;
  const TileSetting setting(usesTiles<Storage>(), kAttentionTiles);
  const auto take = [&] { return __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED); };
  for (int64_t task = take(); task < rows * count; task = take()) work(task / count, task % count, workspace);
}

inline HeadShape headShape(const AttentionShape& shape, int64_t row, int64_t head) {
  return {shape.queryStarts[row + 1] - shape.queryStarts[row],
          shape.keyEnds[row] - shape.keyStarts[row],
          shape.size,
          shape.before,
          shape.after,
          shape.scale,
          shape.dropping,
          static_cast<uint32_t>((shape.dropping.first + row) * shape.heads + head)};
}

template <typename T>
Strided<T> headOf(const Rows<T>& rows, int64_t start, int64_t head, int64_t size) {
  return {rows.data + start * rows.stride + head * size, rows.stride};
}

template <typename T>
Strided<const T> biasOf(const AttentionInputs<T>& inputs, int64_t head) {
  const auto& [data, headStride, stride] = inputs.bias;
  return {data ? data + head * headStride : nullptr, stride};
}

template <typename T, typename Sum = SumOf<T>>
void attendRowHead(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums,
                   int64_t row, int64_t head, Workspace<T>& work) {
  const int64_t tokens = shape.queryStarts[shape.rows], size = shape.size, keyHead = head * shape.kvHeads / shape.heads;
  const int64_t start = shape.queryStarts[row], keyStart = shape.keyStarts[row];
  const HeadInputs<T> of{headOf(inputs.q, start, head, size), headOf(inputs.k, keyStart, keyHead, size),
                         headOf(inputs.v, keyStart, keyHead, size), biasOf(inputs, head)};
  const Strided<Sum> sums{logSums + head * tokens + start, 1};
  attendHead<T>(headShape(shape, row, head), of, headOf(out, start, head, size), sums, work);
}

template <typename T, typename Sum = SumOf<T>>
void attend(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums, int64_t& next) {
  forEachOfRows<T, Workspace<T>>(shape.rows, shape.heads, next, [&](int64_t row, int64_t head, Workspace<T>& work) {
    attendRowHead(shape, inputs, out, logSums, row, head, work);
  });
}

// Query heads that share a key head add to the same gradient, so one thread computes them all.
template <typename T>
void attendBackward(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                    const AttentionGradients<T>& gradients, int64_t& next) {
  const int64_t tokens = shape.queryStarts[shape.rows], size = shape.size, group = shape.heads / shape.kvHeads;
  forEachOfRows<T, Workspace<T>>(
      shape.rows, shape.kvHeads, next, [&](int64_t row, int64_t keyHead, Workspace<T>& work) {
        const int64_t start = shape.queryStarts[row], keyStart = shape.keyStarts[row], firstHead = keyHead * group;
        const HeadShape first = headShape(shape, row, firstHead);
        const auto packed = packKeys<T>(first, headOf(inputs.k, keyStart, keyHead, size),
                                        headOf(inputs.v, keyStart, keyHead, size), work);
        bool hasSums = !seesAllKeys(first);
        if (hasSums) {
          zeroSums<T>(first, packed.keyGradient);
          zeroSums<T>(first, packed.valueGradient);
        }
        for (int64_t head = firstHead; head < firstHead + group; ++head) {
          const HeadShape of = headShape(shape, row, head);
          const QueryHead<T> queries{headOf(inputs.q, start, head, size),
                                     biasOf(inputs, head),
                                     headOf(gradients.out, start, head, size),
                                     {gradients.logSums + head * tokens + start, 1},
                                     headOf(gradients.q, start, head, size)};
          forEachBlock<T>(of, [&](const Block& block) {
            attendBlockBackward<T>(of, block, packed, queries, hasSums, work);
            hasSums = true;
          });
        }
        const Strided<T> ofK = headOf(gradients.k, keyStart, keyHead, size),
                         ofV = headOf(gradients.v, keyStart, keyHead, size);
        for (int64_t j = 0; j < first.keys; ++j) {
          writeNumbers(packed.keyGradient + j * first.sizeWidth(), size, ofK.row(j));
          writeNumbers(packed.valueGradient + j * first.sizeWidth(), size, ofV.row(j));
        }
      });
}

template <typename T>
void attentionMask(const MaskShape& shape, T* mask) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  const SumOf<T> factor = static_cast<SumOf<T>>(factorOf(shape.dropping));
  const HeadShape head{.queries = shape.queries,
                       .keys = shape.keys,
                       .size = 1,
                       .before = shape.keys,
                       .after = shape.keys,
                       .scale = 1,
                       .dropping = shape.dropping,
                       .head = shape.head};
  const Block whole{0, shape.queries, roundUp(shape.queries, 4), {0, shape.keys, head.width()}};
  forEachMask(head, whole, [&](int64_t i, int64_t j, const uint32_t* numbers) {
    if (i >= shape.queries) return;
    const int64_t count = lesser(kWidth, shape.keys - j);
    for (int64_t lane = 0; lane < count; ++lane)
      setNumber(mask + i * shape.stride + j + lane, numbers[lane] < threshold ? 0 : factor);
  });
}

}  // namespace bidora::BIDORA_VARIANT
