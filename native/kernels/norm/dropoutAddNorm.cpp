// residual + dropout(x) and its LayerNorm or RMSNorm. Shapes: [N, H].
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/common/registration.h"
#include "norms.h"

namespace bidora::dropoutAddNorm {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Two = std::tuple<Tensor, Tensor>;

Two dropoutAddNormCpu(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias, double epsilon,
                      bool isCentered, double p, int64_t seed, int64_t stream) {
  checkNorm(x, residual, weight, bias);
  auto [out, sum, stats] = normedRowsCpu(x, residual, weight, bias, epsilon, isCentered, p, seed, stream);
  return {out, sum};
}

Two dropoutAddNormMeta(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias, double epsilon,
                       bool isCentered, double p, int64_t seed, int64_t stream) {
  checkNorm(x, residual, weight, bias);
  auto [out, sum, stats] = normedRowsMeta(x, residual, weight, bias, epsilon, isCentered, p, seed, stream);
  return {out, sum};
}

struct DropoutAddNormFunction : torch::autograd::Function<DropoutAddNormFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& x, const Tensor& residual, const Tensor& weight,
                               const Maybe& bias, double epsilon, bool isCentered, double p, int64_t seed,
                               int64_t stream) {
    checkNorm(x, residual, weight, bias);
    const auto [out, sum, stats] = callKernel<normedRowsCpu>("bidora::_norm", x, Maybe(residual), weight, bias, epsilon,
                                                             isCentered, p, seed, stream);
    context->save_for_backward({sum, stats, weight});
    context->set_materialize_grads(false);
    context->saved_data["settings"] = c10::ivalue::Tuple::create(isCentered, p, seed, stream, bias.has_value());
    return {out, sum};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "bidora::dropout_add_norm has no second derivative: use dropout, add and row_norm.");
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["settings"].toTupleRef().elements();
    const Tensor &sum = saved[0], &stats = saved[1], &weight = saved[2];
    const Tensor change = gradients[0].defined() ? gradients[0] : at::zeros_like(sum);
    auto [ofX, ofResidual] = callKernel<normedRowsBackwardCpu>(
        "bidora::_norm_backward", change, ifDefined(gradients[1]), sum, stats, weight, values[0].toBool(),
        values[1].toDouble(), values[2].toInt(), values[3].toInt());
    Tensor ofWeight, ofBias;
    if (context->needs_input_grad(2)) ofWeight = normWeightGradient(sum, stats, change);
    if (values[4].toBool() && context->needs_input_grad(3)) ofBias = change.sum(0);
    return {ofX, ofResidual, ofWeight, ofBias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Two dropoutAddNormAutograd(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias,
                           double epsilon, bool isCentered, double p, int64_t seed, int64_t stream) {
  const variable_list results =
      DropoutAddNormFunction::apply(x, residual, weight, bias, epsilon, isCentered, p, seed, stream);
  return {results[0], results[1]};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout_add_norm", [](OperatorLibrary& library) {
  library.define<dropoutAddNormCpu, dropoutAddNormMeta, dropoutAddNormAutograd>(
      "dropout_add_norm(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, *, bool centered=True, "
      "float p=0., int seed=0, int stream=0) -> (Tensor normed, Tensor sum)");
});

}  // namespace
}  // namespace bidora::dropoutAddNorm
