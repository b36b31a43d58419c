// The tangents of attention, over rows and heads.
#pragma once

#include "headTangentBackward.h"
#include "rows.h"

namespace bidora::BIDORA_VARIANT {

// A head's elements and, if there is one, their tangent.
template <typename T>
DualStrided<T> dualHeadOf(const Rows<T>& value, const Rows<T>& tangent, int64_t start, int64_t head, int64_t size) {
  return {headOf(value, start, head, size), tangent.data ? headOf(tangent, start, head, size) : Strided<T>{nullptr, 0}};
}

template <typename T>
void attendTangent(const AttentionShape& shape, const AttentionInputs<T>& inputs, const AttentionInputs<T>& tangents,
                   Rows<T> out, int64_t& next) {
  const int64_t size = shape.size, group = shape.heads / shape.kvHeads;
  forEachOfRows<T, DualWork<T>>(shape.rows, shape.heads, next, [&](int64_t row, int64_t head, DualWork<T>& work) {
    const int64_t start = shape.queryStarts[row], keyStart = shape.keyStarts[row], keyHead = head / group;
    const DualInputs<T> of{dualHeadOf(inputs.q, tangents.q, start, head, size),
                           dualHeadOf(inputs.k, tangents.k, keyStart, keyHead, size),
                           dualHeadOf(inputs.v, tangents.v, keyStart, keyHead, size), biasOf(inputs, head)};
    attendHeadTangent<T>(headShape(shape, row, head), of, headOf(out, start, head, size), work);
  });
}

template <typename T, typename Sum>
void zeroBoth(const HeadShape& shape, const Dual<Sum*>& sums) {
  zeroSums<T>(shape, sums.value);
  zeroSums<T>(shape, sums.tangent);
}

template <typename T, typename Sum>
void writeSums(const Dual<Sum*>& sums, const HeadShape& shape, const DualStrided<T>& to) {
  const int64_t width = shape.sizeWidth();
  for (int64_t j = 0; j < shape.keys; ++j) {
    writeNumbers(sums.value + j * width, shape.size, to.value.row(j));
    writeNumbers(sums.tangent + j * width, shape.size, to.tangent.row(j));
  }
}

template <typename T>
void attendTangentBackward(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                           const AttentionInputs<T>& tangents, const AttentionTangentGradients<T>& gradients,
                           int64_t& next) {
  const int64_t size = shape.size, group = shape.heads / shape.kvHeads;
  forEachOfRows<T, DualWork<T>>(shape.rows, shape.kvHeads, next, [&](int64_t row, int64_t keyHead, DualWork<T>& work) {
    const int64_t start = shape.queryStarts[row], keyStart = shape.keyStarts[row], firstHead = keyHead * group;
    const HeadShape first = headShape(shape, row, firstHead);
    const auto packed = packDualKeys<T>(first, dualHeadOf(inputs.k, tangents.k, keyStart, keyHead, size),
                                        dualHeadOf(inputs.v, tangents.v, keyStart, keyHead, size), work);
    bool hasSums = !seesAllKeys(first);
    if (hasSums) {
      zeroBoth<T>(first, packed.keyGradient);
      zeroBoth<T>(first, packed.valueGradient);
    }
    for (int64_t head = firstHead; head < firstHead + group; ++head) {
      const HeadShape of = headShape(shape, row, head);
      const DualQueryHead<T> queries{dualHeadOf(inputs.q, tangents.q, start, head, size),
                                     dualHeadOf(gradients.out, gradients.outTangent, start, head, size),
                                     biasOf(inputs, head),
                                     dualHeadOf(gradients.q, gradients.qTangent, start, head, size)};
      forEachBlock<T>(of, [&](const Block& block) {
        attendBlockTangentBackward<T>(of, block, packed, queries, hasSums, work);
        hasSums = true;
      });
    }
    writeSums(packed.keyGradient, first, dualHeadOf(gradients.k, gradients.kTangent, keyStart, keyHead, size));
    writeSums(packed.valueGradient, first, dualHeadOf(gradients.v, gradients.vTangent, keyStart, keyHead, size));
  });
}

}  // namespace bidora::BIDORA_VARIANT
