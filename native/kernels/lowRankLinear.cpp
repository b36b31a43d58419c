// A frozen linear layer with its low-rank update, and the gain of DoRA, as one operator:
//
//     y = (x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ) ∘ g + bias
//
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], g and bias [out]. The low rank is further depth of the
// product with W, forward and for the gradient of x; the scale goes with the thin products, s·x̃·Aᵀ and s·∇z·B.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "blockSums.h"
#include "frozenProduct.h"
#include "layerOperands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

// From here on (y − bias) / g has the digits that z had, so z need not be kept beside y.
constexpr double kInvertibleGain = 0.25;

void check(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
           const Maybe& gain, const Maybe& branch) {
  checkLayer(x, weight, bias);
  checkFactors(weight, a, b);
  checkOperands({&gain, &branch});
  TORCH_CHECK(x.dim() == 2, "expected an input of [N, in] and a weight of [out, in], got ", x.sizes(), " and ",
              weight.sizes());
  for (const Maybe* vector : {&bias, &gain})
    TORCH_CHECK(isOfOutputs(*vector, weight), "expected a bias and a gain of [", weight.size(0), "]");
  TORCH_CHECK(!branch || branch->sizes() == x.sizes(), "expected a branch input like the input, ", x.sizes());
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
                    functions<scalar_t>().gainBackward(by, from + at, of ? of + at : nullptr,
                                                       scaled ? scaled + at : nullptr, sums, end - begin);
                  });
  });
  return result;
}

bool isInvertible(const Tensor& gain) {
  return AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::low_rank_linear", [&] {
    const auto* first = gain.const_data_ptr<scalar_t>();
    return std::all_of(first, first + gain.numel(), [](scalar_t g) { return std::abs(g) >= kInvertibleGain; });
  });
}

// A and B in the input's dtype, with a rank of zeros where numbers are taken in pairs and one is left over.
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

struct LowRankLinearFunction : torch::autograd::Function<LowRankLinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        const Tensor& a, const Tensor& b, double scale, const Maybe& gain, const Maybe& branch,
                        const Maybe& packed) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(x, weight, bias, a, b, gain, branch);
    checkPacked(packed, weight);
    const Tensor low = branch.value_or(x);
    const Factors factors(x, a, b);
    const Tensor offset = contiguousOrNone(orNone(bias)), factor = gain ? gain->to(sumType(x)).contiguous() : Tensor();
    const Tensor reduced = thinProduct(low, factors.a, false, scale);
    const bool wantsGain = gain && gain->requires_grad(), keepsDirection = wantsGain && !isInvertible(factor);
    const FurtherDepth further{reduced, factors.b};
    const Finish finish{keepsDirection ? Tensor() : factor, offset};
    const Tensor y = frozenProduct(x, {weight, orNone(packed)}, further, finish);
    Tensor direction;
    if (keepsDirection) {
      direction = y.clone();
      applyGain(y, {factor, offset});
    }
    const bool keepsOutput = wantsGain && !keepsDirection;
    context->save_for_backward({a.requires_grad() ? low : Tensor(), weight, offset, factors.a, factors.b, reduced,
                                factor, direction, keepsOutput ? y : Tensor()});
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
    // Edges are counted without the tensors that were left out.
    size_t edge = 0;
    const auto wants = [&](bool isThere) { return isThere && context->needs_input_grad(edge++); };
    const bool wantsX = wants(true);
    wants(true);
    const bool wantsBias = wants(has[0].toBool()), wantsA = wants(true), wantsB = wants(true),
               wantsGain = wants(has[1].toBool()), wantsBranch = wants(hasBranch);
    const bool wantsReduced = wantsA || (hasBranch ? wantsBranch : wantsX),
               wantsDirection = wantsX || wantsB || wantsReduced;

    const Tensor gradient = gradients[0].contiguous();
    Tensor ofDirection = gradient, ofGain;
    if (gain.defined()) {
      const Tensor& value = direction.defined() ? direction : output;
      auto both = gainGradients(gradient, value, bias, gain, wantsDirection, wantsGain);
      ofDirection = both.direction;
      if (wantsGain)
        ofGain =
            (direction.defined() ? both.gain : both.gain.div_(gain)).to(static_cast<at::ScalarType>(dtypes[1].toInt()));
    }
    Tensor ofX, ofBranch, ofA, ofB, ofReduced;
    const at::ScalarType trained = static_cast<at::ScalarType>(dtypes[0].toInt());
    const int64_t rank = context->saved_data["rank"].toInt();
    if (wantsReduced) ofReduced = thinProduct(ofDirection, b, true, scale);
    if (wantsX) ofX = turnedProduct(ofDirection, weight, hasBranch ? FurtherDepth{} : FurtherDepth{ofReduced, a});
    if (wantsBranch) ofBranch = at::mm(ofReduced, a);
    if (wantsA) ofA = outerProduct(ofReduced, low).narrow(0, 0, rank).to(trained);
    if (wantsB) ofB = outerProduct(reduced, ofDirection).narrow(0, 0, rank).t().to(trained).contiguous();
    return {ofX, Tensor(), wantsBias ? at::sum(gradient, 0) : Tensor(), ofA, ofB, Tensor(), ofGain, ofBranch, Tensor()};
  }
};

Tensor lowRankLinear(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                     double scale, const Maybe& gain, const Maybe& branch, const Maybe& packed) {
  return LowRankLinearFunction::apply(x, weight, bias, a, b, scale, gain, branch, packed);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::low_rank_linear", [](torch::Library& library) {
  library.def(
      "low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, *, Tensor? "
      "gain=None, Tensor? branch=None, Tensor? packed=None) -> Tensor",
      lowRankLinear);
});

}  // namespace
}  // namespace bidora
