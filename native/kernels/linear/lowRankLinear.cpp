// A frozen linear layer with its low-rank update and DoRA's gain, as one operator:
//
//     y = (x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ) ∘ g + bias
//
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], g and bias [out]. The low-rank update extends the depth
// of the product with W, forward and for the gradient of x. The scale is applied in the thin products, s·x̃·Aᵀ and
// s·∇z·B.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <tuple>

#include "functions.h"
#include "kernels/common/blockSums.h"
#include "kernels/common/registration.h"
#include "kernels/products/frozenProduct.h"
#include "operands.h"

namespace bidora::lowRankLinear {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

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
    auto* scaled = wantsDirection ? write<scalar_t>(result.direction) : nullptr;
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
using Forward = std::tuple<Tensor, Tensor, Tensor>;

// The factors are those of `Factors`.
Forward forwardCpu(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                   double scale, const Maybe& gain, const Maybe& branch, const Maybe& packed, double leastGain) {
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

Forward forwardMeta(const Tensor& x, const Tensor& weight, const Maybe&, const Tensor& a, const Tensor&, double,
                    const Maybe&, const Maybe&, const Maybe&, double) {
  return {at::empty({x.size(0), weight.size(0)}, x.options()), at::empty({x.size(0), a.size(0)}, x.options()),
          Tensor()};
}

// The gradients of x, A, B, gain and branch; undefined unless requested.
using Backward = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;
using Wants = std::array<bool, 5>;

// `gradient` is contiguous; `low` is the branch, or x without one, if A is trained; `output` is y if the gain is
// trained and z was not kept. The gradients of A, Bᵀ and the gain may be in the accumulation type.
Backward backwardCpu(const Tensor& gradient, const Maybe& low, const Tensor& weight, const Maybe& bias, const Tensor& a,
                     const Tensor& b, const Tensor& reduced, double scale, const Maybe& gain, const Maybe& direction,
                     const Maybe& output, bool hasBranch, Wants wants) {
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

Backward backwardMeta(const Tensor& gradient, const Maybe&, const Tensor& weight, const Maybe&, const Tensor& a,
                      const Tensor& b, const Tensor&, double, const Maybe& gain, const Maybe&, const Maybe&, bool,
                      Wants wants) {
  const auto [wantsX, wantsA, wantsB, wantsGain, wantsBranch] = wants;
  const Tensor factor = orNone(gain);
  const auto empty = [&](bool isWanted, int64_t rows, int64_t columns) {
    return isWanted ? at::empty({rows, columns}, gradient.options()) : Tensor();
  };
  return {empty(wantsX, gradient.size(0), weight.size(1)), empty(wantsA, a.size(0), a.size(1)),
          empty(wantsB, b.size(1), b.size(0)), wantsGain ? at::empty(factor.sizes(), factor.options()) : Tensor(),
          empty(wantsBranch, gradient.size(0), weight.size(1))};
}

Maybe gainFor(const Tensor& x, const Maybe& gain) {
  return gain ? Maybe(gain->to(sumType(x)).contiguous()) : std::nullopt;
}

Tensor lowRankLinearCpu(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                        double scale, const Maybe& gain, const Maybe& branch, const Maybe& packed, double) {
  check(x, weight, bias, a, b, gain, branch, packed);
  const Factors factors(x, a, b);
  return std::get<0>(forwardCpu(x, weight, bias, factors.a, factors.b, scale, gainFor(x, gain), branch, packed, 0));
}

Tensor lowRankLinearMeta(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                         double, const Maybe& gain, const Maybe& branch, const Maybe& packed, double) {
  check(x, weight, bias, a, b, gain, branch, packed);
  return at::empty({x.size(0), weight.size(0)}, x.options());
}

struct LowRankLinearFunction : torch::autograd::Function<LowRankLinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        const Tensor& a, const Tensor& b, double scale, const Maybe& gain, const Maybe& branch,
                        const Maybe& packed, double leastGain) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(x, weight, bias, a, b, gain, branch, packed);
    const Factors factors(x, a, b);
    const Maybe factor = gainFor(x, gain);
    const bool wantsGain = gain && gain->requires_grad();
    const auto [y, reduced, direction] =
        callKernel<forwardCpu>("bidora::_low_rank_linear", x, weight, bias, factors.a, factors.b, scale, factor, branch,
                               packed, wantsGain ? leastGain : 0.);
    const bool keepsOutput = wantsGain && !direction.defined();
    context->save_for_backward({a.requires_grad() ? branch.value_or(x) : Tensor(), weight,
                                contiguousOrNone(orNone(bias)), factors.a, factors.b, reduced, orNone(factor),
                                direction, keepsOutput ? y : Tensor()});
    context->saved_data["scale"] = scale;
    context->saved_data["has"] = c10::ivalue::Tuple::create(bias.has_value(), gain.has_value(), branch.has_value());
    context->saved_data["dtypes"] = c10::ivalue::Tuple::create(
        static_cast<int64_t>(a.scalar_type()), static_cast<int64_t>(gain ? gain->scalar_type() : a.scalar_type()));
    context->saved_data["rank"] = a.size(0);
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "bidora::low_rank_linear has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const Tensor &low = saved[0], &weight = saved[1], &bias = saved[2], &a = saved[3], &b = saved[4],
                 &reduced = saved[5], &gain = saved[6], &direction = saved[7], &output = saved[8];
    const auto& has = context->saved_data["has"].toTupleRef().elements();
    const auto& dtypes = context->saved_data["dtypes"].toTupleRef().elements();
    const double scale = context->saved_data["scale"].toDouble();
    const bool hasBranch = has[2].toBool();
    // Missing tensors have no edge.
    size_t edge = 0;
    const auto wants = [&](bool isThere) { return isThere && context->needs_input_grad(edge++); };
    const bool wantsX = wants(true);
    wants(true);
    const bool wantsBias = wants(has[0].toBool()), wantsA = wants(true), wantsB = wants(true),
               wantsGain = wants(has[1].toBool()), wantsBranch = wants(hasBranch);
    const Tensor gradient = gradients[0].contiguous();
    const auto [ofX, ofA, ofB, ofGain, ofBranch] =
        callKernel<backwardCpu>("bidora::_low_rank_linear_backward", gradient, ifDefined(low), weight, ifDefined(bias),
                                a, b, reduced, scale, ifDefined(gain), ifDefined(direction), ifDefined(output),
                                hasBranch, Wants{wantsX, wantsA, wantsB, wantsGain, wantsBranch});
    const at::ScalarType trained = static_cast<at::ScalarType>(dtypes[0].toInt());
    const int64_t rank = context->saved_data["rank"].toInt();
    return {ofX,
            Tensor(),
            wantsBias ? at::sum(gradient, 0) : Tensor(),
            wantsA ? ofA.narrow(0, 0, rank).to(trained) : Tensor(),
            wantsB ? ofB.narrow(0, 0, rank).t().to(trained).contiguous() : Tensor(),
            Tensor(),
            wantsGain ? ofGain.to(static_cast<at::ScalarType>(dtypes[1].toInt())) : Tensor(),
            ofBranch,
            Tensor(),
            Tensor()};
  }
};

Tensor lowRankLinearAutograd(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                             double scale, const Maybe& gain, const Maybe& branch, const Maybe& packed,
                             double leastGain) {
  return LowRankLinearFunction::apply(x, weight, bias, a, b, scale, gain, branch, packed, leastGain);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::low_rank_linear", [](OperatorLibrary& library) {
  library.define<lowRankLinearCpu, lowRankLinearMeta, lowRankLinearAutograd>(
      "low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, *, Tensor? "
      "gain=None, Tensor? branch=None, Tensor? packed=None, float least_invertible_gain=0.25) -> Tensor");
  library.define<forwardCpu, forwardMeta, NoDerivative::refuse>(
      "_low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, Tensor? gain, "
      "Tensor? branch, Tensor? packed, float least_gain) -> (Tensor output, Tensor reduced, Tensor direction)");
  library.define<backwardCpu, backwardMeta, NoDerivative::refuse>(
      "_low_rank_linear_backward(Tensor grad, Tensor? low, Tensor weight, Tensor? bias, Tensor a, Tensor b, Tensor "
      "reduced, float scale, Tensor? gain, Tensor? direction, Tensor? output, bool has_branch, bool[5] wants) -> "
      "(Tensor input_grad, Tensor a_grad, Tensor b_grad, Tensor gain_grad, Tensor branch_grad)");
});

}  // namespace
}  // namespace bidora::lowRankLinear
