// LayerNorm or RMSNorm of rows: one pass over each row forward, and one backward. Shapes: x [..., H], N rows of H
// numbers in all.
#include <ATen/Dispatch.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
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
  Tensor out;    // like x
  Tensor stats;  // [N, 2] mean and 1 / √(variance + ε)
};

int64_t rowsOf(const Tensor& x) { return x.size(-1) > 0 ? x.numel() / x.size(-1) : 0; }

Normalised forward(const Tensor& input, const Tensor& weight, const Maybe& bias, double epsilon, bool isCentred) {
  const Tensor x = input.contiguous(), w = weight.contiguous(), b = contiguousOrNone(orNone(bias));
  const int64_t rows = rowsOf(x), size = x.size(-1);
  const Normalised result{at::empty_like(x), at::empty({rows, 2}, x.options().dtype(sumType(x)))};
  if (x.numel() == 0) return result;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::row_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{.x = read<scalar_t>(x),
                                      .residual = nullptr,
                                      .weight = read<scalar_t>(w),
                                      .bias = read<scalar_t>(b),
                                      .sum = nullptr,
                                      .out = write<scalar_t>(result.out),
                                      .stats = result.stats.data_ptr<Sum>(),
                                      .size = size,
                                      .epsilon = epsilon,
                                      .isCentred = isCentred,
                                      .dropping = {}};
    forRows<Sum>(rows, size,
                 [&](int64_t begin, int64_t end, Sum* room) { functions<scalar_t>().norm(norm, begin, end, room); });
  });
  return result;
}

// x contiguous; from the gradient of the normalised rows that of x.
Tensor backward(const Tensor& gradient, const Tensor& x, const Tensor& stats, const Tensor& weight, bool isCentred) {
  const Tensor change = gradient.contiguous(), w = weight.contiguous(), ofX = at::empty_like(x);
  if (x.numel() == 0) return ofX;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::row_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const NormGradient<Stored<scalar_t>> norm{.gradient = read<scalar_t>(change),
                                              .toSum = nullptr,
                                              .sum = read<scalar_t>(x),
                                              .weight = read<scalar_t>(w),
                                              .stats = stats.const_data_ptr<Sum>(),
                                              .ofX = nullptr,
                                              .ofSum = write<scalar_t>(ofX),
                                              .size = x.size(-1),
                                              .isCentred = isCentred,
                                              .dropping = {}};
    forRows<Sum>(stats.size(0), x.size(-1), [&](int64_t begin, int64_t end, Sum* room) {
      functions<scalar_t>().normBackward(norm, begin, end, room);
    });
  });
  return ofX;
}

// Gradients of x and of the weight by operators that can be differentiated as often as one likes. x, gradient: [N, H]
std::pair<Tensor, Tensor> plainBackward(const Tensor& gradient, const Tensor& x, const Tensor& weight, double epsilon,
                                        bool isCentred) {
  const auto type = sumType(x);
  const Tensor wide = x.to(type), g = gradient.to(type), centred = isCentred ? wide - wide.mean(1, true) : wide;
  const Tensor inverse = (centred.square().mean(1, true) + epsilon).rsqrt(), n = centred * inverse;
  const Tensor a = g * weight.to(type), core = a - n * (a * n).mean(1, true);
  const Tensor ofX = inverse * (isCentred ? core - a.mean(1, true) : core);
  return {ofX.to(x.scalar_type()), (g * n).sum(0).to(weight.scalar_type())};
}

struct RowNormFunction : torch::autograd::Function<RowNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Maybe& bias,
                        double epsilon, bool isCentred) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const Normalised result = bidora::forward(x, weight, bias, epsilon, isCentred);
    context->save_for_backward({x, weight, result.stats});
    context->saved_data["settings"] = c10::ivalue::Tuple::create(epsilon, isCentred, bias.has_value());
    return result.out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["settings"].toTupleRef().elements();
    const Tensor &x = saved[0], &weight = saved[1], &stats = saved[2], &gradient = gradients[0];
    const double epsilon = values[0].toDouble();
    const bool isCentred = values[1].toBool();
    const auto inRows = [&](const Tensor& tensor) { return tensor.reshape({stats.size(0), x.size(-1)}); };
    Tensor ofX, ofWeight, ofBias;
    if (at::GradMode::is_enabled()) {
      std::tie(ofX, ofWeight) = plainBackward(inRows(gradient), inRows(x), weight, epsilon, isCentred);
      ofX = ofX.view(x.sizes());
    } else {
      if (context->needs_input_grad(0)) ofX = bidora::backward(gradient, x.contiguous(), stats, weight, isCentred);
      if (context->needs_input_grad(1)) ofWeight = normWeightGradient(inRows(x), stats, inRows(gradient));
    }
    if (values[2].toBool() && context->needs_input_grad(2)) ofBias = inRows(gradient).sum(0);
    return {ofX, ofWeight, ofBias, Tensor(), Tensor()};
  }
};

Tensor rowNorm(const Tensor& x, const Tensor& weight, const Maybe& bias, double epsilon, bool isCentred) {
  checkNormWeights(x, weight, bias);
  return RowNormFunction::apply(x, weight, bias, epsilon, isCentred);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::row_norm", [](torch::Library& library) {
  library.def("row_norm(Tensor input, Tensor weight, Tensor? bias, float eps, *, bool centred=True) -> Tensor",
              rowNorm);
});

}  // namespace
}  // namespace bidora
