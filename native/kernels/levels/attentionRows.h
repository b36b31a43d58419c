// Attention's heads, row by row, and its masks.
#pragma once

#include "attentionHead.h"

namespace bidora::BIDORA_LEVEL {

// Runs work(shape, first token, head, workspace) for every head of every row, as long as some are left.
template <typename T, typename Work>
void forEachHead(const AttentionShape& shape, int64_t& next, Work work) {
  const int64_t tasks = shape.rows * shape.heads;
  Workspace<T> workspace;
  const auto take = [&] { return __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED); };
  for (int64_t task = take(); task < tasks; task = take()) {
    const int64_t row = task / shape.heads, start = shape.starts[row];
    const HeadShape head{shape.starts[row + 1] - start, shape.size, shape.scale, shape.dropping, static_cast<uint32_t>(task)};
    work(head, start, task % shape.heads, workspace);
  }
}

template <typename T>
Strided<T> headOf(const Rows<T>& rows, int64_t start, int64_t head, int64_t size) {
  return {rows.data + start * rows.stride + head * size, rows.stride};
}

template <typename T, typename Sum = SumOf<T>>
void attend(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums, int64_t& next) {
  const int64_t tokens = shape.starts[shape.rows], size = shape.size;
  forEachHead<T>(shape, next, [&](const HeadShape& of, int64_t start, int64_t head, Workspace<T>& work) {
    const Strided<Sum> sums{logSums + head * tokens + start, 1};
    attendHead<T>(of, headOf(inputs.q, start, head, size), headOf(inputs.k, start, head, size), headOf(inputs.v, start, head, size),
                  headOf(out, start, head, size), sums, work);
  });
}

template <typename T, typename Sum = SumOf<T>>
void attendBackward(const AttentionShape& shape, const AttentionInputs<T>& inputs, const AttentionGradients<T>& gradients, int64_t& next) {
  const int64_t tokens = shape.starts[shape.rows], size = shape.size;
  forEachHead<T>(shape, next, [&](const HeadShape& of, int64_t start, int64_t head, Workspace<T>& work) {
    const Strided<const Sum> sums{gradients.logSums + head * tokens + start, 1};
    const HeadGradients<T> results{headOf(gradients.q, start, head, size), headOf(gradients.k, start, head, size),
                                   headOf(gradients.v, start, head, size)};
    attendHeadBackward<T>(of, headOf(inputs.q, start, head, size), headOf(inputs.k, start, head, size), headOf(inputs.v, start, head, size),
                          headOf(gradients.out, start, head, size), sums, results, work);
  });
}

template <typename T>
void attentionMask(const MaskShape& shape, T* mask) {
  const uint32_t threshold = dropThreshold(shape.dropping.p);
  const SumOf<T> factor = static_cast<SumOf<T>>(factorOf(shape.dropping));
  const HeadShape head{shape.length, 1, 1, shape.dropping, shape.head};
  forEachMask(head, 0, roundUp(shape.length, 4), [&](int64_t i, int64_t j, const uint32_t* numbers) {
    if (i >= shape.length) return;
    const int64_t count = lesser(kWidth, shape.length - j);
    for (int64_t lane = 0; lane < count; ++lane) setNumber(mask + i * shape.longest + j + lane, numbers[lane] < threshold ? 0 : factor);
  });
}

}  // namespace bidora::BIDORA_LEVEL
