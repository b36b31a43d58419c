// A frozen linear layer with its low-rank update and DoRA's gain, as one operator:
//
//     y = (x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ) ∘ g + bias
//
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], g and bias [out]. The low-rank update extends the depth
// of the product with W, forward and for the gradient of x. The scale is applied in the thin products, s·x̃·Aᵀ and
// s·∇z·B.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <tuple>

#include "functions.h"
#include "kernels/common/blockSums.h"
#include "kernels/common/differentiable.h"
#include "kernels/products/frozenProduct.h"
#include "operands.h"

namespace bidora::lowRankLinear {
namespace {

using at::Tensor;

void check(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
           const Maybe& gain, const Maybe& branch, const Maybe& packed) {
  checkLayer(x, weight, bias);
  checkPacked(packed, weight);
  checkFactors(weight, a, b);
  checkOperands({&gain, &branch});
  TORCH_CHECK(x.dim() == 2, "expected an input of [N, in] and a weight of [out, in], got ", x.sizes(), " and ",
              weight.sizes());
  for (const Maybe* vector : {&bias, &gain})
    TORCH_CHECK(isOfOutputs(*vector, weight), "expected a bias and a gain of [", weight.size(0), "]");
  TORCH_CHECK(!branch || branch->sizes() == x.sizes(), "expected a branch input of the input's shape, ", x.sizes());
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
}

struct GainGradients {
  Tensor direction, gain;
};

GainGradients gainGradients(const Tensor& gradient, const Tensor& value, const Tensor& bias, const Tensor& gain,
                            bool wantsDirection, bool wantsGain) {
  GainGradients result;
  if (wantsDirection) result.direction = at::empty_like(gradient);
  if (wantsGain) result.gain = at::empty_like(gain);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, gradient.scalar_type(), "bidora::low_rank_linear", [&] {
    using Sum = SumOf<scalar_t>;
    const Gain<Stored<scalar_t>> by{read<scalar_t>(bias), read<Sum>(gain), gradient.size(1)};
    const auto *from = read<scalar_t>(gradient), *of = read<scalar_t>(value);
    auto* scaled = write<scalar_t>(result.direction);
    sumOverBlocks(gradient.size(0), by.columns, wantsGain ? result.gain.data_ptr<Sum>() : nullptr,
                  [&](int64_t begin, int64_t end, Sum* sums) {
                    const int64_t at = begin * by.columns;
                    functions<GainFunctions, scalar_t>().gainBackward(
                        by, from + at, of ? of + at : nullptr, scaled ? scaled + at : nullptr, sums, end - begin);
                  });
  });
  return result;
}

// If all gains are at least `least`, (y − bias) / g has all the digits of z, so z need not be kept besides y. The
// schema has the default.
bool isInvertible(const Tensor& gain, double least) {
  return AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::low_rank_linear", [&] {
    const auto* first = gain.const_data_ptr<scalar_t>();
    return std::all_of(first, first + gain.numel(), [&](scalar_t g) { return std::abs(g) >= least; });
  });
}

// A and B in the input's dtype. An odd rank is padded with zeros if elements are multiplied in pairs.
struct Factors {
  Tensor a, b;

  Factors(const Tensor& x, const Tensor& ofA, const Tensor& ofB)
      : a(ofA.to(x.scalar_type())), b(ofB.to(x.scalar_type())) {
    const int64_t rank = a.size(0);
    if (rank % 2 == 0 || x.scalar_type() != at::kBFloat16) return;
    const Tensor evenA = at::zeros({rank + 1, a.size(1)}, a.options()),
                 evenB = at::zeros({b.size(0), rank + 1}, b.options());
    evenA.narrow(0, 0, rank).copy_(a);
    evenB.narrow(1, 0, rank).copy_(b);
    a = evenA;
    b = evenB;
  }
};

// y; s·x̃·Aᵀ; and z if it has to be kept for the gain's gradient.
using Results = std::tuple<Tensor, Tensor, Tensor>;

// The factors are those of `Factors`.
Results forwardKernel(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                      double scale, const Maybe& gain, const Maybe& branch, const Maybe& packed, double leastGain) {
  if (x.is_meta())
    return {at::empty({x.size(0), weight.size(0)}, x.options()), at::empty({x.size(0), a.size(0)}, x.options()),
            Tensor()};
  const Tensor offset = contiguousOrNone(orNone(bias)), factor = orNone(gain);
  const Tensor reduced = thinProduct(branch.value_or(x), a, false, scale);
  const bool keepsDirection = leastGain > 0 && !isInvertible(factor, leastGain);
  const LowRankTerm lowRank{reduced, b};
  const Epilogue epilogue{keepsDirection ? Tensor() : factor, offset};
  const Tensor y = frozenProduct(x, {weight, orNone(packed)}, lowRank, epilogue);
  Tensor direction;
  if (keepsDirection) {
    direction = y.clone();
    applyGain(y, {factor, offset});
  }
  return {y, reduced, direction};
}

// The gradients of x, A, B, gain and branch; undefined unless requested.
using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;
using Wants = std::array<bool, 5>;

Gradients emptyGradients(const Tensor& gradient, const Tensor& weight, const Tensor& a, const Tensor& b,
                         const Tensor& gain, const Wants& wants) {
  const auto [wantsX, wantsA, wantsB, wantsGain, wantsBranch] = wants;
  const auto empty = [&](bool isWanted, int64_t rows, int64_t columns) {
    return isWanted ? at::empty({rows, columns}, gradient.options()) : Tensor();
  };
  return {empty(wantsX, gradient.size(0), weight.size(1)), empty(wantsA, a.size(0), a.size(1)),
          empty(wantsB, b.size(1), b.size(0)), wantsGain ? emptyLike(gain) : Tensor(),
          empty(wantsBranch, gradient.size(0), weight.size(1))};
}

// `gradient` is contiguous; `low` is the branch, or x without one, if A is trained; `output` is y if the gain is
// trained and z was not kept. The gradients of A, Bᵀ and the gain may be in the accumulation type.
Gradients backwardKernel(const Tensor& gradient, const Maybe& low, const Tensor& weight, const Maybe& bias,
                         const Tensor& a, const Tensor& b, const Tensor& reduced, double scale, const Maybe& gain,
                         const Maybe& direction, const Maybe& output, bool hasBranch, Wants wants) {
  if (gradient.is_meta()) return emptyGradients(gradient, weight, a, b, orNone(gain), wants);
  const auto [wantsX, wantsA, wantsB, wantsGain, wantsBranch] = wants;
  const bool wantsReduced = wantsA || (hasBranch ? wantsBranch : wantsX),
             wantsDirection = wantsX || wantsB || wantsReduced;
  Tensor ofDirection = gradient, ofX, ofA, ofB, ofGain, ofBranch, ofReduced;
  if (gain) {
    auto both =
        gainGradients(gradient, orNone(direction ? direction : output), orNone(bias), *gain, wantsDirection, wantsGain);
    ofDirection = both.direction;
    if (wantsGain) ofGain = direction ? both.gain : both.gain.div_(*gain);
  }
  if (wantsReduced) ofReduced = thinProduct(ofDirection, b, true, scale);
  if (wantsX) ofX = transposedProduct(ofDirection, weight, hasBranch ? LowRankTerm{} : LowRankTerm{ofReduced, a});
  if (wantsBranch) ofBranch = at::mm(ofReduced, a);
  if (wantsA) ofA = outerProduct(ofReduced, orNone(low));
  if (wantsB) ofB = outerProduct(reduced, ofDirection);
  return {ofX, ofA, ofB, ofGain, ofBranch};
}

Maybe gainFor(const Tensor& x, const Maybe& gain) {
  return gain ? Maybe(gain->to(sumType(x)).contiguous()) : std::nullopt;
}

struct LowRankLinear {
  struct Saved {
    Tensor low, weight, bias, a, b, reduced, gain, direction, output;
    double scale;
    bool hasBranch;
    int64_t rank;
    at::ScalarType trainedType, gainType;
    std::vector<Tensor*> tensors() { return {&low, &weight, &bias, &a, &b, &reduced, &gain, &direction, &output}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a,
                                        const Tensor& b, double scale, const Maybe& gain, const Maybe& branch,
                                        const Maybe& packed, double leastGain) {
    check(x, weight, bias, a, b, gain, branch, packed);
    const Factors factors(x, a, b);
    const Maybe factor = gainFor(x, gain);
    const bool wantsGain = gain && gain->requires_grad();
    const auto [y, reduced, direction] =
        callKernel<forwardKernel>("bidora::_low_rank_linear", x, weight, bias, factors.a, factors.b, scale, factor,
                                  branch, packed, wantsGain ? leastGain : 0.);
    return {y,
            {.low = a.requires_grad() ? branch.value_or(x) : Tensor(),
             .weight = weight,
             .bias = contiguousOrNone(orNone(bias)),
             .a = factors.a,
             .b = factors.b,
             .reduced = reduced,
             .gain = orNone(factor),
             .direction = direction,
             .output = wantsGain && !direction.defined() ? y : Tensor(),
             .scale = scale,
             .hasBranch = branch.has_value(),
             .rank = a.size(0),
             .trainedType = a.scalar_type(),
             .gainType = gain ? gain->scalar_type() : a.scalar_type()}};
  }

  static variable_list backward(const Saved& of, const variable_list& gradients, const Needs& needs) {
    refuseSecondDerivative("low_rank_linear");
    const bool wantsX = needs[0], wantsBias = needs[2], wantsA = needs[3], wantsB = needs[4], wantsGain = needs[6],
               wantsBranch = needs[7];
    const Tensor gradient = gradients[0].contiguous();
    const auto [ofX, ofA, ofB, ofGain, ofBranch] = callKernel<backwardKernel>(
        "bidora::_low_rank_linear_backward", gradient, ifDefined(of.low), of.weight, ifDefined(of.bias), of.a, of.b,
        of.reduced, of.scale, ifDefined(of.gain), ifDefined(of.direction), ifDefined(of.output), of.hasBranch,
        Wants{wantsX, wantsA, wantsB, wantsGain, wantsBranch});
    return {ofX,
            Tensor(),
            wantsBias ? at::sum(gradient, 0) : Tensor(),
            wantsA ? ofA.narrow(0, 0, of.rank).to(of.trainedType) : Tensor(),
            wantsB ? ofB.narrow(0, 0, of.rank).t().to(of.trainedType).contiguous() : Tensor(),
            Tensor(),
            wantsGain ? ofGain.to(of.gainType) : Tensor(),
            ofBranch};
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::low_rank_linear", [](OperatorLibrary& library) {
  defineDifferentiable<LowRankLinear>(
      library,
      "low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, *, Tensor? "
      "gain=None, Tensor? branch=None, Tensor? packed=None, float least_invertible_gain=0.25) -> Tensor");
  library.define<forwardKernel, NoDerivative::refuse>(
      "_low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, Tensor? gain, "
      "Tensor? branch, Tensor? packed, float least_gain) -> (Tensor output, Tensor reduced, Tensor direction)");
  library.define<backwardKernel, NoDerivative::refuse>(
      "_low_rank_linear_backward(Tensor grad, Tensor? low, Tensor weight, Tensor? bias, Tensor a, Tensor b, Tensor "
      "reduced, float scale, Tensor? gain, Tensor? direction, Tensor? output, bool has_branch, bool[5] wants) -> "
      "(Tensor input_grad, Tensor a_grad, Tensor b_grad, Tensor gain_grad, Tensor branch_grad)");
});

}  // namespace
}  // namespace bidora::lowRankLinear
