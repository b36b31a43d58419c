// Products of attention's blocks together with their tangents, which are marked with a dot.
#pragma once

#include "head.h"

namespace bidora::BIDORA_VARIANT {

// A value and its tangent; the pointer to an operand's tangent is null if that is 0.
template <typename T>
struct Dual {
  T value, tangent;
};

// Separate workspaces for values and for tangents.
template <typename Storage>
using DualWork = Dual<Workspace<Storage>>;
template <typename Storage>
using DualStrided = Dual<Strided<Storage>>;

template <typename T>
Dual<T*> from(const Dual<T*>& operand, int64_t offset) {
  return {operand.value + offset, operand.tangent ? operand.tangent + offset : nullptr};
}

// need(workspace) for the value and for the tangent.
template <typename Storage, typename Need>
auto bothOf(DualWork<Storage>& work, Need need) -> Dual<decltype(need(work.value))> {
  return {need(work.value), need(work.tangent)};
}

// pack(strided, workspace) for a value and, if there is one, for its tangent.
template <typename Storage, typename Pack>
auto packBoth(const DualStrided<const Storage>& x, DualWork<Storage>& work, Pack pack)
    -> Dual<const typename Arithmetic<Storage>::Word*> {
  return {pack(x.value, work.value), x.tangent.data ? pack(x.tangent, work.tangent) : nullptr};
}

struct ProductShape {
  int64_t rows, columns, depth;
  int64_t bStride, cStride;
};

// C = A·B unless C is null, and Ċ = Ȧ·B + A·Ḃ.
template <typename Word, typename Sum>
void dualProduct(const Dual<Left<Word>>& a, const Dual<const Word*>& b, const Dual<Sum*>& c, const ProductShape& shape,
                 bool accumulate) {
  const auto& [rows, columns, depth, bStride, cStride] = shape;
  if (c.value) multiply(a.value, b.value, bStride, c.value, cStride, rows, columns, depth, accumulate);
  bool hasSums = accumulate;
  const auto add = [&](const Left<Word>& left, const Word* right) {
    if (!left.data || !right) return;
    multiply(left, right, bStride, c.tangent, cStride, rows, columns, depth, hasSums);
    hasSums = true;
  };
  add(a.tangent, b.value);
  add(a.value, b.tangent);
  if (hasSums) return;
  for (int64_t i = 0; i < rows; ++i) std::memset(static_cast<void*>(c.tangent + i * cStride), 0, columns * sizeof(Sum));
}

// A block's sums as left operands, with the depth along their rows or down their columns.
template <typename Storage, typename Sum>
auto dualRows(const Dual<Sum*>& sums, const Block& block, DualWork<Storage>& work)
    -> Dual<Left<typename Arithmetic<Storage>::Word>> {
  return {alongRows(sums.value, block.rows, block.span.width, work.value.leftRows),
          alongRows(sums.tangent, block.rows, block.span.width, work.tangent.leftRows)};
}
template <typename Storage, typename Sum>
auto dualColumns(const Dual<Sum*>& sums, const Block& block, DualWork<Storage>& work)
    -> Dual<Left<typename Arithmetic<Storage>::Word>> {
  return {alongColumns(sums.value, block.rows, block.span.width, work.value.leftColumns),
          alongColumns(sums.tangent, block.rows, block.span.width, work.tangent.leftColumns)};
}

// A block's tokens as left operands.
template <typename Storage, typename Buffer>
auto dualTokens(const DualStrided<const Storage>& x, const HeadShape& shape, const Block& block, Buffer buffer,
                DualWork<Storage>& work) -> Dual<Left<typename Arithmetic<Storage>::Word>> {
  using Word = typename Arithmetic<Storage>::Word;
  const auto left = [&](const Strided<const Storage>& of, Workspace<Storage>& scratch) {
    return leftTokens(of, block.start, block.count, block.rows, shape.size, scratch.*buffer);
  };
  return {left(x.value, work.value), x.tangent.data ? left(x.tangent, work.tangent) : Left<Word>{nullptr, 0, 1}};
}

// The same as right operands, with their elements across lanes.
template <typename Storage, typename Buffer>
auto dualAcross(const DualStrided<const Storage>& x, const HeadShape& shape, const Block& block, Buffer buffer,
                DualWork<Storage>& work) {
  return packBoth<Storage>(x, work, [&](const Strided<const Storage>& of, Workspace<Storage>& scratch) {
    return packTokens(Strided<const Storage>{of.row(block.start), of.stride}, block.count, block.rows, shape.size,
                      shape.sizeWidth(), scratch.*buffer);
  });
}

// All keys or values of a head as right operands, with tokens across lanes: [words, keys].
template <typename Storage, typename Buffer>
auto dualKeyColumns(const DualStrided<const Storage>& x, const HeadShape& shape, Buffer rows, Buffer columns,
                    DualWork<Storage>& work) {
  return packBoth<Storage>(x, work, [&](const Strided<const Storage>& of, Workspace<Storage>& scratch) {
    return packColumns(of, shape.keys, shape.width(), shape.size, scratch.*rows, scratch.*columns);
  });
}

// The same with elements across lanes: [keys, size].
template <typename Storage, typename Buffer>
auto dualKeysAcross(const DualStrided<const Storage>& x, const HeadShape& shape, Buffer buffer,
                    DualWork<Storage>& work) {
  return packBoth<Storage>(x, work, [&](const Strided<const Storage>& of, Workspace<Storage>& scratch) {
    return packTokens(of, shape.keys, shape.width(), shape.size, shape.sizeWidth(), scratch.*buffer);
  });
}

}  // namespace bidora::BIDORA_VARIANT
