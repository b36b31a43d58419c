// Tangents of bidora::low_rank_linear: with y = c ⊙ p + b and p = x·Wᵀ + s·(x·Aᵀ)·Bᵀ,
//
//     ẏ = c ⊙ ṗ + ċ/c ⊙ (y − b),  ṗ = ẋ·Wᵀ + s·[x·Aᵀ, ẋ·Aᵀ + x·Ȧᵀ]·[Ḃ, B]ᵀ
//
// and backward, with the gradient g of y and its tangent ġ, q = c ⊙ g and q̇ = ċ ⊙ g + c ⊙ ġ,
//
//     ġ_x = q̇·W + s·[q·Ḃ + q̇·B, q·B]·[A; Ȧ]
//     g_c = Σ g ⊙ (y − b) / c,  ġ_c = (Σ ġ ⊙ (y − b) + Σ g ⊙ ẏ − ċ ⊙ g_c) / c
//
// Shapes: x [N, in], W [out, in], A [r, in], B [out, r], y, g and their tangents [N, out], b and c [out]. There is one
// product with W in each direction. The gain must be large enough to compute p from y.
#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/zeros.h>

#include <optional>
#include <vector>

#include "functions.h"
#include "kernels/common/blockSums.h"
#include "kernels/common/registration.h"
#include "kernels/products/frozenProduct.h"
#include "operands.h"

namespace bidora::lowRankTangent {
namespace {

using at::Tensor;

void checkWeights(const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b, const Maybe& aDot,
                  const Maybe& bDot, const Maybe& gain, const Maybe& gainDot) {
  checkOperands({&bias, &aDot, &bDot, &gain, &gainDot});
  checkFactors(weight, a, b);
  TORCH_CHECK((!aDot || aDot->sizes() == a.sizes()) && (!bDot || bDot->sizes() == b.sizes()),
              "expected tangents of the shapes of A and B, ", a.sizes(), " and ", b.sizes());
  for (const Maybe* vector : {&bias, &gain, &gainDot})
    TORCH_CHECK(isOfOutputs(*vector, weight), "expected a bias and a gain of [", weight.size(0), "]");
  TORCH_CHECK(!gainDot || gain, "expected a gain for its tangent");
  TORCH_CHECK(!bias || bias->scalar_type() == weight.scalar_type(), "expected the bias in the weight's dtype, ",
              weight.scalar_type());
}

void checkRows(const char* name, const Maybe& rows, int64_t count, int64_t columns, const Tensor& weight) {
  if (!rows) return;
  checkOperand(*rows);
  TORCH_CHECK(rows->dim() == 2 && rows->size(0) == count && rows->size(1) == columns &&
                  rows->scalar_type() == weight.scalar_type(),
              name, ": expected [", count, ", ", columns, "] in the weight's dtype, got ", rows->sizes());
}

void checkBackwardOperands(const Tensor& gradient, const Maybe& change, const Tensor& weight, const Maybe& bias,
                           const Tensor& a, const Tensor& b, const Maybe& aDot, const Maybe& bDot, const Maybe& gain,
                           const Maybe& gainDot, const Tensor& y, const Maybe& yDot, bool wantsGain) {
  checkWeights(weight, bias, a, b, aDot, bDot, gain, gainDot);
  TORCH_CHECK(gradient.dim() == 2, "expected a gradient of [N, out], got ", gradient.sizes());
  for (const auto& [name, rows] : {std::pair<const char*, const Maybe>{"grad", gradient},
                                   {"grad_dot", change},
                                   {"output", y},
                                   {"output_dot", yDot}})
    checkRows(name, rows, gradient.size(0), weight.size(0), weight);
  TORCH_CHECK(!wantsGain || gain, "expected a gain if its gradient is requested");
}

Tensor asVector(const Maybe& vector, at::ScalarType type) { return vector ? vector->to(type).contiguous() : Tensor(); }

Tensor orZeros(const Maybe& tensor, const Tensor& like, at::ScalarType type) {
  return tensor ? tensor->to(type) : at::zeros(like.sizes(), like.options().dtype(type));
}

// [Ḃ, B]: [out, 2r]
Tensor stackedB(const Tensor& b, const Maybe& bDot, at::ScalarType type) {
  return at::cat({orZeros(bDot, b, type), b.to(type)}, 1);
}
// [A; Ȧ]: [2r, in]
Tensor stackedA(const Tensor& a, const Maybe& aDot, at::ScalarType type) {
  return at::cat({a.to(type), orZeros(aDot, a, type)}, 0);
}

void scaleTangent(const Tensor& tangent, const Tensor& y, const Tensor& bias, const Tensor& gain,
                  const Maybe& gainDot) {
  const Tensor slope = gainDot ? at::div(gainDot->to(gain.scalar_type()), gain) : Tensor();
  const Tensor value = gainDot ? y.contiguous() : Tensor();
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, tangent.scalar_type(), "bidora::low_rank_linear_tangent", [&] {
    using Sum = SumOf<scalar_t>;
    const GainTangent<Stored<scalar_t>> by{read<scalar_t>(bias), read<Sum>(gain), read<Sum>(slope), tangent.size(1)};
    auto* to = write<scalar_t>(tangent);
    const auto* from = read<scalar_t>(value);
    at::parallel_for(0, tangent.size(0), kRowsOfBlock, [&](int64_t begin, int64_t end) {
      const int64_t at = begin * by.columns;
      functions<GainFunctions, scalar_t>().gainTangent(by, from ? from + at : nullptr, to + at, end - begin);
    });
  });
}

Tensor tangent(const Tensor& x, const Maybe& xDot, const Tensor& weight, const Maybe& bias, const Tensor& a,
               const Tensor& b, double scale, const Maybe& aDot, const Maybe& bDot, const Maybe& gain,
               const Maybe& gainDot, const Tensor& y) {
  checkWeights(weight, bias, a, b, aDot, bDot, gain, gainDot);
  TORCH_CHECK(x.dim() == 2, "expected an input of [N, in], got ", x.sizes());
  checkRows("input", x, x.size(0), weight.size(1), weight);
  checkRows("input_dot", xDot, x.size(0), weight.size(1), weight);
  checkRows("output", y, x.size(0), weight.size(0), weight);
  if (x.is_meta()) return at::empty({x.size(0), weight.size(0)}, x.options());
  const at::ScalarType type = weight.scalar_type();
  const int64_t rank = a.size(0);
  const Tensor reduced = thinProduct(x, stackedA(a, aDot, type), false, scale);  // [N, 2r]: s·r, s·x·Ȧᵀ
  const Tensor factor = stackedB(b, bDot, type);
  if (xDot) reduced.narrow(1, rank, rank).add_(thinProduct(*xDot, a.to(type), false, scale));
  const Tensor result = xDot ? frozenProduct(*xDot, {weight, {}}, {reduced, factor}) : at::mm(reduced, factor.t());
  if (gain) scaleTangent(result, y, contiguousOrNone(orNone(bias)), asVector(gain, sumType(x)), gainDot);
  return result;
}

using Three = std::tuple<Tensor, Tensor, Tensor>;

struct ThroughGain {
  Tensor qDot;
  Tensor sums;  // [3, out]
};

ThroughGain throughGain(const Tensor& gradient, const Tensor& change, const Tensor& y, const Tensor& yDot,
                        const Tensor& bias, const Tensor& gain, const Tensor& gainDot, bool wantsGain) {
  ThroughGain result{at::empty_like(gradient), at::empty({3, gradient.size(1)}, gain.options())};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, gradient.scalar_type(), "bidora::low_rank_linear_tangent", [&] {
    using Sum = SumOf<scalar_t>;
    const GainTangentBackward<Stored<scalar_t>> by{.bias = read<scalar_t>(bias),
                                                   .gradient = read<scalar_t>(gradient),
                                                   .change = read<scalar_t>(change),
                                                   .y = read<scalar_t>(y),
                                                   .yDot = read<scalar_t>(yDot),
                                                   .gain = read<Sum>(gain),
                                                   .gainDot = read<Sum>(gainDot),
                                                   .qDot = write<scalar_t>(result.qDot),
                                                   .columns = gradient.size(1)};
    sumOverBlocks(gradient.size(0), result.sums.numel(), wantsGain ? result.sums.data_ptr<Sum>() : nullptr,
                  [&](int64_t begin, int64_t end, Sum* sums) {
                    functions<GainFunctions, scalar_t>().gainTangentBackward(by, begin, end, sums);
                  });
  });
  return result;
}

Three tangentBackward(const Tensor& gradient, const Maybe& change, const Tensor& weight, const Maybe& bias,
                      const Tensor& a, const Tensor& b, double scale, const Maybe& aDot, const Maybe& bDot,
                      const Maybe& gain, const Maybe& gainDot, const Tensor& y, const Maybe& yDot, bool wantsInput,
                      bool wantsGain) {
  checkBackwardOperands(gradient, change, weight, bias, a, b, aDot, bDot, gain, gainDot, y, yDot, wantsGain);
  const at::ScalarType type = weight.scalar_type();
  const Tensor none = at::empty({0}, weight.options());  // stands for results that are not requested
  if (gradient.is_meta()) {
    const auto ofGain = [&] { return wantsGain ? emptyLike(*gain) : none; };
    return {wantsInput ? at::empty({gradient.size(0), weight.size(1)}, weight.options()) : none, ofGain(), ofGain()};
  }
  Tensor qDot = change ? *change : Tensor(), columns = stackedB(b, bDot, sumType(weight)), ofGain = none,
         changeOfGain = none;
  if (gain) {
    const Tensor factor = asVector(gain, sumType(weight)), slope = asVector(gainDot, sumType(weight));
    const ThroughGain passed =
        throughGain(gradient.contiguous(), contiguousOrNone(orNone(change)), y.contiguous(),
                    contiguousOrNone(orNone(yDot)), contiguousOrNone(orNone(bias)), factor, slope, wantsGain);
    qDot = passed.qDot;
    columns.mul_(factor.unsqueeze(1));  // q·[Ḃ, B] = g·(c ⊙ [Ḃ, B])
    if (wantsGain) {
      const Tensor plain = at::div(passed.sums[0], factor);
      Tensor changed = passed.sums[1].add(passed.sums[2]);
      if (gainDot) changed.sub_(at::mul(slope, plain));
      ofGain = plain.to(gain->scalar_type());
      changeOfGain = changed.div_(factor).to(gain->scalar_type());
    }
  }
  if (!wantsInput) return {none, ofGain, changeOfGain};
  const Tensor reduced = thinProduct(gradient, columns.to(type), true, scale);  // [N, 2r]: s·q·Ḃ, s·q·B
  const Tensor factor = stackedA(a, aDot, type);
  if (!qDot.defined()) return {at::mm(reduced, factor), ofGain, changeOfGain};
  reduced.narrow(1, 0, b.size(1)).add_(thinProduct(qDot, b.to(type), true, scale));
  const Tensor ofInput = transposedProduct(qDot, weight, {reduced, factor});
  return {ofInput, ofGain, changeOfGain};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::low_rank_linear_tangent", [](OperatorLibrary& library) {
  library.define<tangent, NoDerivative::refuse>(
      "low_rank_linear_tangent(Tensor input, Tensor? input_dot, Tensor weight, Tensor? bias, Tensor a, Tensor b, float "
      "scale, Tensor? a_dot, Tensor? b_dot, Tensor? gain, Tensor? gain_dot, Tensor output) -> Tensor");
  library.define<tangentBackward, NoDerivative::refuse>(
      "low_rank_linear_tangent_backward(Tensor grad, Tensor? grad_dot, Tensor weight, Tensor? bias, Tensor a, Tensor "
      "b, float scale, Tensor? a_dot, Tensor? b_dot, Tensor? gain, Tensor? gain_dot, Tensor output, Tensor? "
      "output_dot, bool wants_input, bool wants_gain) -> (Tensor input_dot, Tensor gain, Tensor gain_dot)");
});

}  // namespace
}  // namespace bidora::lowRankTangent
