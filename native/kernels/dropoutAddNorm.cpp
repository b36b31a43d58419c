// residual + dropout(x) and its norm, LayerNorm or RMSNorm: one pass over each row forward, and one backward.
// Shapes: N rows of H numbers.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "normOperands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Normalised {
  Tensor out;
  Tensor sum;    // [N, H] residual + dropout(x)
  Tensor stats;  // [N, 2] mean and 1 / √(variance + ε)
};

Normalised forward(const Tensor& input, const Tensor& residual, const Tensor& weight, const Maybe& bias,
                   const NormSettings& settings) {
  checkNorm(input, residual, weight, bias);
  const Tensor x = input.contiguous(), before = residual.contiguous(), w = weight.contiguous(),
               b = bias ? bias->contiguous() : Tensor();
  const Normalised result{at::empty_like(x), at::empty_like(x),
                          at::empty({x.size(0), 2}, x.options().dtype(sumType(x)))};
  if (x.numel() == 0) {
    result.stats.zero_();
    return result;
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{.x = read<scalar_t>(x),
                                      .residual = read<scalar_t>(before),
                                      .weight = read<scalar_t>(w),
                                      .bias = read<scalar_t>(b),
                                      .sum = write<scalar_t>(result.sum),
                                      .out = write<scalar_t>(result.out),
                                      .stats = result.stats.data_ptr<Sum>(),
                                      .size = x.size(1),
                                      .epsilon = settings.epsilon,
                                      .isCentred = settings.isCentred,
                                      .dropping = settings.dropping};
    forRows<Sum>(x.size(0), x.size(1),
                 [&](int64_t begin, int64_t end, Sum* room) { functions<scalar_t>().norm(norm, begin, end, room); });
  });
  return result;
}

// From the gradients of the normalised rows and of the sums, which may be none, those of x and of the residual; one
// tensor for both where nothing is dropped.
std::pair<Tensor, Tensor> backward(const Tensor& gradient, const Tensor& toSum, const Tensor& sum, const Tensor& stats,
                                   const Tensor& weight, const NormSettings& settings) {
  const Tensor change = gradient.contiguous(), direct = toSum.defined() ? toSum.contiguous() : toSum,
               w = weight.contiguous();
  const Tensor ofSum = at::empty_like(sum), ofX = settings.dropping.p > 0 ? at::empty_like(sum) : ofSum;
  if (sum.numel() == 0) return {ofX, ofSum};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, sum.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const NormGradient<Stored<scalar_t>> norm{.gradient = read<scalar_t>(change),
                                              .toSum = read<scalar_t>(direct),
                                              .sum = read<scalar_t>(sum),
                                              .weight = read<scalar_t>(w),
                                              .stats = stats.const_data_ptr<Sum>(),
                                              .ofX = write<scalar_t>(ofX),
                                              .ofSum = write<scalar_t>(ofSum),
                                              .size = sum.size(1),
                                              .isCentred = settings.isCentred,
                                              .dropping = settings.dropping};
    forRows<Sum>(sum.size(0), sum.size(1), [&](int64_t begin, int64_t end, Sum* room) {
      functions<scalar_t>().normBackward(norm, begin, end, room);
    });
  });
  return {ofX, ofSum};
}

struct DropoutAddNormFunction : torch::autograd::Function<DropoutAddNormFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& residual, const Tensor& weight,
                               const Maybe& bias, double epsilon, bool isCentred, double p, int64_t seed,
                               int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const Normalised result =
        bidora::forward(x, residual, weight, bias, {epsilon, isCentred, droppingOf(p, seed, stream)});
    context->save_for_backward({result.sum, result.stats, weight});
    context->set_materialize_grads(false);
    context->saved_data["settings"] = c10::ivalue::Tuple::create(isCentred, p, seed, stream, bias.has_value());
    return {result.out, result.sum};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::dropout_add_norm has no second derivative: use its parts.");
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["settings"].toTupleRef().elements();
    const NormSettings settings{0, values[0].toBool(),
                                droppingOf(values[1].toDouble(), values[2].toInt(), values[3].toInt())};
    const Tensor &sum = saved[0], &stats = saved[1], &weight = saved[2];
    const Tensor change = gradients[0].defined() ? gradients[0] : at::zeros_like(sum);
    auto [ofX, ofResidual] = bidora::backward(change, gradients[1], sum, stats, weight, settings);
    Tensor ofWeight, ofBias;
    if (context->needs_input_grad(2)) ofWeight = normWeightGradient(sum, stats, change);
    if (values[4].toBool() && context->needs_input_grad(3)) ofBias = change.sum(0);
    return {ofX, ofResidual, ofWeight, ofBias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

std::tuple<Tensor, Tensor> dropoutAddNorm(const Tensor& x, const Tensor& residual, const Tensor& weight,
                                          const Maybe& bias, double epsilon, bool isCentred, double p, int64_t seed,
                                          int64_t stream) {
  const variable_list results =
      DropoutAddNormFunction::apply(x, residual, weight, bias, epsilon, isCentred, p, seed, stream);
  return {results[0], results[1]};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout_add_norm", [](torch::Library& library) {
  library.def(
      "dropout_add_norm(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, *, bool centred=True, "
      "float p=0., int seed=0,"
      " int stream=0) -> (Tensor normed, Tensor sum)",
      dropoutAddNorm);
});

}  // namespace
}  // namespace bidora
