// LayerNorm or RMSNorm of rows. Shapes: x [..., H], N rows in all.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/common/registration.h"
#include "norms.h"

namespace bidora::rowNorm {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The gradients of x and of the weight, by operators with derivatives of any order. x, gradient: [N, H]
std::pair<Tensor, Tensor> plainBackward(const Tensor& gradient, const Tensor& x, const Tensor& weight, double epsilon,
                                        bool isCentered) {
  const auto type = sumType(x);
  const Tensor wide = x.to(type), g = gradient.to(type), centered = isCentered ? wide - wide.mean(1, true) : wide;
  const Tensor inverse = (centered.square().mean(1, true) + epsilon).rsqrt(), n = centered * inverse;
  const Tensor a = g * weight.to(type), core = a - n * (a * n).mean(1, true);
  const Tensor ofX = inverse * (isCentered ? core - a.mean(1, true) : core);
  return {ofX.to(x.scalar_type()), (g * n).sum(0).to(weight.scalar_type())};
}

// [..., H] → [N, H]
Tensor asRows(const Tensor& x) {
  if (x.dim() == 2) return x;
  const int64_t size = x.size(-1), rows = size > 0 ? x.numel() / size : 0;
  return x.reshape({rows, size});
}

Tensor rowNormCpu(const Tensor& x, const Tensor& weight, const Maybe& bias, double epsilon, bool isCentered) {
  checkNormWeights(x, weight, bias);
  const Tensor out = std::get<0>(normedRowsCpu(asRows(x), {}, weight, bias, epsilon, isCentered, 0, 0, 0));
  return x.dim() == 2 ? out : out.view(x.sizes());
}

Tensor rowNormMeta(const Tensor& x, const Tensor& weight, const Maybe& bias, double, bool) {
  checkNormWeights(x, weight, bias);
  return at::empty(x.sizes(), x.options());
}

struct RowNormFunction : torch::autograd::Function<RowNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        double epsilon, bool isCentered) {
    const auto [out, sum, stats] = callKernel<normedRowsCpu>("bidora::_norm", asRows(x), Maybe(), weight, bias, epsilon,
                                                             isCentered, 0., int64_t{0}, int64_t{0});
    context->save_for_backward({x, weight, stats});
    context->saved_data["settings"] = c10::ivalue::Tuple::create(epsilon, isCentered, bias.has_value());
    return out.view(x.sizes());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["settings"].toTupleRef().elements();
    const Tensor &x = saved[0], &weight = saved[1], &stats = saved[2], &gradient = gradients[0];
    const double epsilon = values[0].toDouble();
    const bool isCentered = values[1].toBool();
    const auto inRows = [&](const Tensor& tensor) { return tensor.reshape({stats.size(0), x.size(-1)}); };
    Tensor ofX, ofWeight, ofBias;
    if (at::GradMode::is_enabled()) {
      std::tie(ofX, ofWeight) = plainBackward(inRows(gradient), inRows(x), weight, epsilon, isCentered);
    } else {
      if (context->needs_input_grad(0))
        ofX = std::get<0>(callKernel<normedRowsBackwardCpu>("bidora::_norm_backward", inRows(gradient), Maybe(),
                                                            inRows(x).contiguous(), stats, weight, isCentered, 0.,
                                                            int64_t{0}, int64_t{0}));
      if (context->needs_input_grad(1)) ofWeight = normWeightGradient(inRows(x), stats, inRows(gradient));
    }
    if (values[2].toBool() && context->needs_input_grad(2)) ofBias = inRows(gradient).sum(0);
    if (ofX.defined()) ofX = ofX.view(x.sizes());
    return {ofX, ofWeight, ofBias, Tensor(), Tensor()};
  }
};

Tensor rowNormAutograd(const Tensor& x, const Tensor& weight, const Maybe& bias, double epsilon, bool isCentered) {
  checkNormWeights(x, weight, bias);
  return RowNormFunction::apply(x, weight, bias, epsilon, isCentered);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::row_norm", [](OperatorLibrary& library) {
  library.define<rowNormCpu, rowNormMeta, rowNormAutograd>(
      "row_norm(Tensor input, Tensor weight, Tensor? bias, float eps, *, bool centered=True) -> Tensor");
});

}  // namespace
}  // namespace bidora::rowNorm
