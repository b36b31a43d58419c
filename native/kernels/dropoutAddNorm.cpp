// residual + dropout(x) and its norm, LayerNorm or RMSNorm.
// Shapes: N rows of H numbers.
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "norms.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct DropoutAddNormFunction : torch::autograd::Function<DropoutAddNormFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& residual, const Tensor& weight,
                               const Maybe& bias, double epsilon, bool isCentred, double p, int64_t seed,
                               int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    checkNorm(x, residual, weight, bias);
    const NormedRows result =
        normedRows(x, residual, weight, orNone(bias), {epsilon, isCentred, droppingOf(p, seed, stream)});
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
    auto [ofX, ofResidual] = normedRowsBackward(change, gradients[1], sum, stats, weight, settings);
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
