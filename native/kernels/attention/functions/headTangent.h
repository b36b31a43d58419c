// The tangent of attention of one head over one row; shapes as in head.h.
//
//   Ṗ = P∘(Ṡ − Σⱼ P∘Ṡ), O = (P∘mask)·V, so that Ȯ = (Ṗ∘mask)·V + (P∘mask)·V̇
#pragma once

#include "dualProducts.h"

namespace bidora::BIDORA_VARIANT {

// Replaces row i of the products by P and of their tangents by Ṗ.
template <typename Sum>
void softmaxTangent(Sum* p, Sum* pd, int64_t width, Sum scale) {
  const Sum inverse = 1 / exponentials(p, width, scale).sum;
  Vector<Sum> products{};
  for (int64_t j = 0; j < width; j += kLanes<Sum>) {
    const Vector<Sum> weight = load(p + j) * inverse;
    store(p + j, weight);
    products += weight * load(pd + j);
  }
  const Sum mean = sumOf<Sum>(products);
  for (int64_t j = 0; j < width; j += kLanes<Sum>) store(pd + j, load(p + j) * ((load(pd + j) - mean) * scale));
}

// P and Ṗ of a block of queries, [rows, span]: 0 for keys that a query does not attend to, and for rows beyond `count`,
// whose products are 0.
template <typename Storage>
Dual<SumOf<Storage>*> dualWeights(const HeadShape& shape, const Block& block, const DualStrided<const Storage>& q,
                                  Strided<const Storage> bias,
                                  const Dual<const typename Arithmetic<Storage>::Word*>& keys,
                                  DualWork<Storage>& work) {
  using Sum = SumOf<Storage>;
  using Scratch = Workspace<Storage>;
  const int64_t seen = block.span.width;
  const auto weights = bothOf<Storage>(work, [&](Scratch& scratch) { return scratch.scores.need(block.rows * seen); });
  dualProduct(dualTokens<Storage>(q, shape, block, &Scratch::queryRows, work), from(keys, block.span.first), weights,
              {block.rows, seen, depthOf<Storage>(shape.size), shape.width(), seen}, false);
  for (int64_t i = 0; i < block.count; ++i) {
    finishProducts(weights.value + i * seen, i, bias, shape, block);
    softmaxTangent(weights.value + i * seen, weights.tangent + i * seen, seen, static_cast<Sum>(shape.scale));
  }
  return weights;
}

template <typename Storage>
struct DualInputs {
  DualStrided<const Storage> q, k, v;
  Strided<const Storage> bias;
};

template <typename Storage>
void attendHeadTangent(const HeadShape& shape, const DualInputs<Storage>& inputs, Strided<Storage> out,
                       DualWork<Storage>& work) {
  using Sum = SumOf<Storage>;
  using Scratch = Workspace<Storage>;
  constexpr int64_t kPerWord = Arithmetic<Storage>::kPerWord;
  const int64_t size = shape.size, sizeWidth = shape.sizeWidth();
  const auto keys = dualKeyColumns<Storage>(inputs.k, shape, &Scratch::keyRows, &Scratch::keyColumns, work);
  const auto values = dualKeysAcross<Storage>(inputs.v, shape, &Scratch::valueTokens, work);
  const Sum factor = isActive(shape.dropping) ? static_cast<Sum>(factorOf(shape.dropping)) : Sum{1};
  forEachBlock<Storage>(shape, [&](const Block& block) {
    const auto& [start, count, rows, span] = block;
    const Dual<Sum*> weights = dualWeights<Storage>(shape, block, inputs.q, inputs.bias, keys, work);
    if (isActive(shape.dropping)) {
      drop(weights.value, shape, block);
      drop(weights.tangent, shape, block);
    }
    Sum* mixed = work.value.result.need(rows * sizeWidth);
    dualProduct(dualRows<Storage>(weights, block, work), from(values, span.first / kPerWord * sizeWidth),
                Dual<Sum*>{nullptr, mixed}, {rows, sizeWidth, depthOf<Storage>(span.count), sizeWidth, sizeWidth},
                false);
    for (int64_t i = 0; i < count; ++i) writeRow(mixed + i * sizeWidth, size, factor, out.row(start + i));
  });
}

}  // namespace bidora::BIDORA_VARIANT
