// A frozen linear layer with its low-rank update, and the gain of DoRA, as one operator:
//
//     y = (x·Wᵀ + s·(x̃·Aᵀ)·Bᵀ) ∘ g + bias
//
// Shapes: x and x̃ [N, in], W [out, in], A [r, in], B [out, r], g and bias [out]. Products go to libtorch; what is saved
// are passes over [N, out] and [N, in]: sums are made where they are wanted, and nothing is computed that no one asked
// for.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/min.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

// From here on (y − bias) / g has the digits that z had, so z need not be kept beside y.
constexpr double kInvertibleGain = 0.25;

constexpr int64_t kBlockOfRows = 64;  // rows that are summed one after the other, whatever the number of threads

void check(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
           const Maybe& gain, const Maybe& branch, const Maybe& base) {
  checkOperands({&x, &weight, &a, &b});
  checkOperands({&bias, &gain, &branch, &base});
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 2 && x.size(1) == weight.size(1),
              "expected an input of [N, in] and a weight of [out, in], got ", x.sizes(), " and ", weight.sizes());
  TORCH_CHECK(a.dim() == 2 && a.size(1) == weight.size(1) && b.dim() == 2 && b.size(0) == weight.size(0) &&
                  b.size(1) == a.size(0),
              "expected A of [r, in] and B of [out, r] for a weight of ", weight.sizes(), ", got ", a.sizes(), " and ",
              b.sizes());
  for (const Maybe* vector : {&bias, &gain})
    TORCH_CHECK(!*vector || ((*vector)->dim() == 1 && (*vector)->size(0) == weight.size(0)),
                "expected a bias and a gain of [", weight.size(0), "]");
  TORCH_CHECK(!branch || branch->sizes() == x.sizes(), "expected a branch input like the input, ", x.sizes());
  TORCH_CHECK(weight.scalar_type() == x.scalar_type() && (!bias || bias->scalar_type() == x.scalar_type()),
              "expected weight and bias in the input's dtype, ", x.scalar_type());
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
  TORCH_CHECK(!base || (base->dim() == 2 && base->size(0) == x.size(0) && base->size(1) == weight.size(0) &&
                        base->is_contiguous() && base->scalar_type() == x.scalar_type() && !base->requires_grad()),
              "expected a base of [", x.size(0), ", ", weight.size(0),
              "] in the input's dtype that no gradient flows through");
}

void scaleColumns(const Tensor& y, const Tensor& bias, const Tensor& gain) {
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, y.scalar_type(), "bidora::low_rank_linear", [&] {
    const Gain<Stored<scalar_t>> by{read<scalar_t>(bias), read<SumOf<scalar_t>>(gain), y.size(1)};
    auto* rows = write<scalar_t>(y);
    at::parallel_for(0, y.size(0), kBlockOfRows, [&](int64_t begin, int64_t end) {
      functions<scalar_t>().applyGain(by, rows + begin * by.columns, end - begin);
    });
  });
}

struct GainGradients {
  Tensor direction, gain;
};

// Each block's sums, [blocks, columns], are added one after the other.
template <typename T>
void runGainBackward(const Gain<Stored<T>>& by, const Stored<T>* gradient, const Stored<T>* value, Stored<T>* scaled,
                     SumOf<T>* sums, int64_t rows) {
  const int64_t blocks = (rows + kBlockOfRows - 1) / kBlockOfRows, columns = by.columns;
  std::vector<SumOf<T>> partial(sums ? blocks * columns : 0);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t row = block * kBlockOfRows, at = row * columns;
      functions<T>().gainBackward(by, gradient + at, value ? value + at : nullptr, scaled ? scaled + at : nullptr,
                                  sums ? partial.data() + block * columns : nullptr,
                                  std::min(kBlockOfRows, rows - row));
    }
  });
  if (!sums) return;
  std::fill(sums, sums + columns, SumOf<T>{0});
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t o = 0; o < columns; ++o) sums[o] += partial[block * columns + o];
}

GainGradients gainGradients(const Tensor& gradient, const Tensor& value, const Tensor& bias, const Tensor& gain,
                            bool wantsDirection, bool wantsGain) {
  GainGradients result;
  if (wantsDirection) result.direction = at::empty_like(gradient);
  if (wantsGain) result.gain = at::empty_like(gain);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, gradient.scalar_type(), "bidora::low_rank_linear", [&] {
    using Sum = SumOf<scalar_t>;
    const Gain<Stored<scalar_t>> by{read<scalar_t>(bias), read<Sum>(gain), gradient.size(1)};
    runGainBackward<scalar_t>(by, read<scalar_t>(gradient), read<scalar_t>(value),
                              wantsDirection ? write<scalar_t>(result.direction) : nullptr,
                              wantsGain ? result.gain.data_ptr<Sum>() : nullptr, gradient.size(0));
  });
  return result;
}

struct LowRankLinearFunction : torch::autograd::Function<LowRankLinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        const Tensor& a, const Tensor& b, double scale, const Maybe& gain, const Maybe& branch,
                        const Maybe& base) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(x, weight, bias, a, b, gain, branch, base);
    const Tensor low = branch.value_or(x);
    const Tensor castA = a.to(x.scalar_type()), castB = b.to(x.scalar_type());
    const Tensor offset = bias ? bias->contiguous() : Tensor();
    Tensor y = base ? *base : at::linear(x, weight, bias);
    const Tensor reduced = at::linear(low, castA);
    y.addmm_(reduced, castB.t(), 1, scale);
    Tensor factor, direction;
    if (gain) {
      factor = gain->to(sumType(x)).contiguous();
      const bool isInvertible = factor.numel() == 0 || at::min(at::abs(factor)).item<double>() >= kInvertibleGain;
      if (gain->requires_grad() && !isInvertible) direction = y.clone();
      scaleColumns(y, offset, factor);
    }
    if (base) context->mark_dirty({y});
    const bool keepsOutput = gain && gain->requires_grad() && !direction.defined();
    context->save_for_backward({a.requires_grad() ? low : Tensor(), weight, offset, castA, castB, reduced, factor,
                                direction, keepsOutput ? y : Tensor()});
    context->saved_data["scale"] = scale;
    context->saved_data["has"] = c10::ivalue::Tuple::create(bias.has_value(), gain.has_value(), branch.has_value());
    context->saved_data["dtypes"] = c10::ivalue::Tuple::create(
        static_cast<int64_t>(a.scalar_type()), static_cast<int64_t>(gain ? gain->scalar_type() : a.scalar_type()));
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
    Tensor ofX, ofBranch, ofA, ofB;
    const at::ScalarType trained = static_cast<at::ScalarType>(dtypes[0].toInt());
    Tensor ofReduced;
    if (wantsReduced) ofReduced = at::mm(ofDirection, b);
    if (wantsX) {
      ofX = at::mm(ofDirection, weight);
      if (!hasBranch) ofX.addmm_(ofReduced, a, 1, scale);
    }
    if (wantsBranch) ofBranch = at::mm(ofReduced, a).mul_(scale);
    if (wantsA) ofA = at::mm(ofReduced.t(), low).to(trained).mul_(scale);
    if (wantsB) ofB = at::mm(ofDirection.t(), reduced).to(trained).mul_(scale);
    return {ofX, Tensor(), wantsBias ? at::sum(gradient, 0) : Tensor(), ofA, ofB, Tensor(), ofGain, ofBranch, Tensor()};
  }
};

Tensor lowRankLinear(const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a, const Tensor& b,
                     double scale, const Maybe& gain, const Maybe& branch) {
  return LowRankLinearFunction::apply(x, weight, bias, a, b, scale, gain, branch, Maybe());
}

// The same where `base`, x·Wᵀ + bias, is there already: it becomes the result.
Tensor& lowRankLinearInPlace(Tensor& base, const Tensor& x, const Tensor& weight, const Maybe& bias, const Tensor& a,
                             const Tensor& b, double scale, const Maybe& gain, const Maybe& branch) {
  LowRankLinearFunction::apply(x, weight, bias, a, b, scale, gain, branch, Maybe(base));
  return base;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::low_rank_linear", [](torch::Library& library) {
  library.def(
      "low_rank_linear(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, *, Tensor? "
      "gain=None, Tensor? branch=None)"
      " -> Tensor",
      lowRankLinear);
  library.def(
      "low_rank_linear_(Tensor(a!) base, Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, "
      "*, Tensor? gain=None,"
      " Tensor? branch=None) -> Tensor(a!)",
      lowRankLinearInPlace);
});

}  // namespace
}  // namespace bidora
