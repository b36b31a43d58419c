// The gradients of attention and their tangents, for the heads that share one key head over one row; shapes as in
// head.h, g the output's gradient.
//
//   r = Σⱼ P∘dP, dS = P∘(dP − r), so that dṠ = Ṗ∘(dP − r) + P∘(dṖ − ṙ), ṙ = Σⱼ (Ṗ∘dP + P∘dṖ)
#pragma once

#include "headBackward.h"
#include "headTangent.h"

namespace bidora::BIDORA_VARIANT {

// Replaces the gradient of P and its tangent by those of Q·Kᵀ.
template <typename Sum>
void softmaxBackwardTangent(const Dual<Sum*>& weights, const Dual<Sum*>& change, int64_t rows, int64_t width,
                            Sum scale) {
  for (int64_t i = 0; i < rows; ++i) {
    const Sum *p = weights.value + i * width, *pd = weights.tangent + i * width;
    Sum *d = change.value + i * width, *dd = change.tangent + i * width;
    Vector<Sum> products{}, tangents{};
    for (int64_t j = 0; j < width; j += kLanes<Sum>) {
      products += load(p + j) * load(d + j);
      tangents += load(pd + j) * load(d + j) + load(p + j) * load(dd + j);
    }
    const Sum mean = sumOf<Sum>(products), meanTangent = sumOf<Sum>(tangents);
    for (int64_t j = 0; j < width; j += kLanes<Sum>) {
      const Vector<Sum> centered = load(d + j) - mean;
      store(dd + j, (load(pd + j) * centered + load(p + j) * (load(dd + j) - meanTangent)) * scale);
      store(d + j, load(p + j) * centered * scale);
    }
  }
}

// A head's packed keys and values, and the sums of their gradients.
template <typename Storage>
struct DualKeys {
  using Words = Dual<const typename Arithmetic<Storage>::Word*>;
  Words keys, values, keyTokens;
  Dual<SumOf<Storage>*> keyGradient, valueGradient;
};

template <typename Storage>
DualKeys<Storage> packDualKeys(const HeadShape& shape, const DualStrided<const Storage>& k,
                               const DualStrided<const Storage>& v, DualWork<Storage>& work) {
  using Scratch = Workspace<Storage>;
  const int64_t numbers = roundUpRows<Storage>(shape.keys) * shape.sizeWidth();
  return {dualKeyColumns<Storage>(k, shape, &Scratch::keyRows, &Scratch::keyColumns, work),
          dualKeyColumns<Storage>(v, shape, &Scratch::valueRows, &Scratch::valueColumns, work),
          dualKeysAcross<Storage>(k, shape, &Scratch::keyTokens, work),
          bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.keyGradient.need(numbers); }),
          bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.valueGradient.need(numbers); })};
}

// A query head: its queries and bias, the output's gradient, and as the result the queries' gradient.
template <typename Storage>
struct DualQueryHead {
  DualStrided<const Storage> q, out;
  Strided<const Storage> bias;
  DualStrided<Storage> ofQ;
};

template <typename Storage>
void attendBlockTangentBackward(const HeadShape& shape, const Block& block, const DualKeys<Storage>& packed,
                                const DualQueryHead<Storage>& head, bool accumulate, DualWork<Storage>& work) {
  using Sum = SumOf<Storage>;
  using Scratch = Workspace<Storage>;
  constexpr int64_t kPerWord = Arithmetic<Storage>::kPerWord;
  const auto& [start, count, rows, span] = block;
  const int64_t size = shape.size, sizeWidth = shape.sizeWidth(), seen = span.width, numbers = rows * seen,
                first = span.first * sizeWidth;
  const ProductShape toKeys{roundUpRows<Storage>(span.count), sizeWidth, rows / kPerWord, sizeWidth, sizeWidth};
  const Dual<Sum*> weights = dualWeights<Storage>(shape, block, head.q, head.bias, packed.keys, work);
  const auto change = bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.change.need(numbers); });
  dualProduct(dualTokens<Storage>(head.out, shape, block, &Scratch::outRows, work), from(packed.values, span.first),
              change, {rows, seen, depthOf<Storage>(size), shape.width(), seen}, false);
  Dual<Sum*> dropped = weights;
  if (isActive(shape.dropping)) {
    dropped = bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.dropped.need(numbers); });
    dropBackward(weights.value, dropped.value, change.value, shape, block);
    dropBackward(weights.tangent, dropped.tangent, change.tangent, shape, block);
  }
  dualProduct(dualColumns<Storage>(dropped, block, work),
              dualAcross<Storage>(head.out, shape, block, &Scratch::outTokens, work), from(packed.valueGradient, first),
              toKeys, accumulate);
  softmaxBackwardTangent(weights, change, rows, seen, static_cast<Sum>(shape.scale));
  dualProduct(dualColumns<Storage>(change, block, work),
              dualAcross<Storage>(head.q, shape, block, &Scratch::queryTokens, work), from(packed.keyGradient, first),
              toKeys, accumulate);
  const auto ofQueries = bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.result.need(rows * sizeWidth); });
  dualProduct(dualRows<Storage>(change, block, work), from(packed.keyTokens, first / kPerWord), ofQueries,
              {rows, sizeWidth, depthOf<Storage>(span.count), sizeWidth, sizeWidth}, false);
  for (int64_t i = 0; i < count; ++i) {
    writeNumbers(ofQueries.value + i * sizeWidth, size, head.ofQ.value.row(start + i));
    writeNumbers(ofQueries.tangent + i * sizeWidth, size, head.ofQ.tangent.row(start + i));
  }
}

}  // namespace bidora::BIDORA_VARIANT
