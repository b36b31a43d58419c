// GELU, SiLU and their gated forms f(gate)·up, each in one pass forward and one backward. Shapes: [N, I].
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string_view>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"
#include "kind.h"

namespace bidora::activation {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// libtorch's own operators, which have derivatives of any order.
Tensor plain(Activation kind, const Tensor& x) {
  return kind == Activation::silu ? at::silu(x) : at::gelu(x, approximateOf(kind));
}
Tensor plainBackward(Activation kind, const Tensor& gradient, const Tensor& x) {
  if (kind != Activation::silu) return at::gelu_backward(gradient, x, approximateOf(kind));
  const Tensor share = at::sigmoid(x);
  return gradient.mul(share.mul(x.mul(at::rsub(share, 1)).add(1)));
}

// x and, if it is a gate, its factor `up`: flattened to one row, or rows with a stride, such as slices of a fused
// product.
struct Operands {
  Tensor x, up;
};

Tensor oneRow(const Tensor& x) { return x.contiguous().view({1, -1}); }
Tensor inRows(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

template <typename T>
const Stored<T>* numbersAt(const Tensor& x, int64_t row, int64_t column) {
  return x.defined() ? read<T>(x) + row * x.stride(0) + column : nullptr;
}

// Calls use(row, column, count) for parts of rows of [N, I], on all threads.
template <typename Use>
void forEachRowPart(const Tensor& like, Use use) {
  const int64_t size = like.size(1);
  at::parallel_for(0, like.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end;) {
      const int64_t row = at / size, column = at % size, count = std::min(size - column, end - at);
      use(row, column, count);
      at += count;
    }
  });
}

Tensor forward(Activation kind, const Operands& of) {
  const auto& [x, up] = of;
  const Tensor out = at::empty(x.sizes(), x.options());
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::activation", [&] {
    forEachRowPart(x, [&](int64_t row, int64_t column, int64_t count) {
      const Activating<Stored<scalar_t>> stretch{numbersAt<scalar_t>(x, row, column),
                                                 numbersAt<scalar_t>(up, row, column),
                                                 write<scalar_t>(out) + row * x.size(1) + column};
      functions<ActivationFunctions, scalar_t>().activate(kind, stretch, count);
    });
  });
  return out;
}

Operands backward(Activation kind, const Tensor& gradient, const Operands& of) {
  const auto& [x, up] = of;
  const Operands results{at::empty(x.sizes(), x.options()), up.defined() ? at::empty(x.sizes(), x.options()) : up};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::activation", [&] {
    forEachRowPart(x, [&](int64_t row, int64_t column, int64_t count) {
      const int64_t place = row * x.size(1) + column;
      const ActivatingGradient<Stored<scalar_t>> stretch{
          numbersAt<scalar_t>(x, row, column), numbersAt<scalar_t>(up, row, column),
          numbersAt<scalar_t>(gradient, row, column), write<scalar_t>(results.x) + place,
          up.defined() ? write<scalar_t>(results.up) + place : nullptr};
      functions<ActivationFunctions, scalar_t>().activateBackward(kind, stretch, count);
    });
  });
  return results;
}

Tensor activated(Activation kind, const Tensor& x) {
  checkOperands({&x});
  if (x.scalar_type() == at::kDouble) return plain(kind, x);
  // As measured, oneDNN's exact GELU for bfloat16 is the only forward pass in which libtorch is faster.
  if (kind == Activation::gelu && x.scalar_type() == at::kBFloat16) return plain(kind, x.contiguous());
  return forward(kind, {oneRow(x), Tensor()}).view(x.sizes());
}

void checkGate(const Tensor& gate, const Tensor& up) {
  checkOperands({&gate, &up});
  TORCH_CHECK(gate.dim() == 2 && up.sizes() == gate.sizes() && up.scalar_type() == gate.scalar_type(),
              "expected a gate and a factor of the same shape [N, I] and dtype, got ", gate.sizes(), ' ',
              gate.scalar_type(), " and ", up.sizes(), ' ', up.scalar_type());
}

Tensor gated(Activation kind, const Tensor& gate, const Tensor& up) {
  checkGate(gate, up);
  if (gate.scalar_type() == at::kDouble) return plain(kind, gate).mul(up);
  return forward(kind, {inRows(gate), inRows(up)});
}

Tensor geluCpu(const Tensor& x, std::string_view approximate) { return activated(geluOf(approximate), x); }
Tensor siluCpu(const Tensor& x) { return activated(Activation::silu, x); }
Tensor geluMulCpu(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  return gated(geluOf(approximate), gate, up);
}
Tensor siluMulCpu(const Tensor& gate, const Tensor& up) { return gated(Activation::silu, gate, up); }
Tensor activationBackwardCpu(const Tensor& gradient, const Tensor& x, std::string_view activation) {
  return backward(activationOf(activation), oneRow(gradient), {oneRow(x), Tensor()}).x.view(x.sizes());
}
std::tuple<Tensor, Tensor> gatedBackwardCpu(const Tensor& gradient, const Tensor& gate, const Tensor& up,
                                            std::string_view activation) {
  const Operands of = backward(activationOf(activation), inRows(gradient), {inRows(gate), inRows(up)});
  return {of.x, of.up};
}

Tensor siluMeta(const Tensor& x) {
  checkOperands({&x});
  return at::empty(x.sizes(), x.options());
}
Tensor geluMeta(const Tensor& x, std::string_view approximate) {
  geluOf(approximate);
  return siluMeta(x);
}
Tensor siluMulMeta(const Tensor& gate, const Tensor& up) {
  checkGate(gate, up);
  return at::empty(gate.sizes(), gate.options());
}
Tensor geluMulMeta(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  geluOf(approximate);
  return siluMulMeta(gate, up);
}
Tensor activationBackwardMeta(const Tensor&, const Tensor& x, std::string_view) { return siluMeta(x); }
std::tuple<Tensor, Tensor> gatedBackwardMeta(const Tensor&, const Tensor& gate, const Tensor& up, std::string_view) {
  return {siluMeta(gate), siluMeta(up)};
}

struct ActivationFunction : torch::autograd::Function<ActivationFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, Activation kind) {
    context->save_for_backward({x});
    context->saved_data["kind"] = static_cast<int64_t>(kind);
    if (kind == Activation::silu) return callKernel<siluCpu>("bidora::silu", x);
    return callKernel<geluCpu>("bidora::gelu", x, approximateOf(kind));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const auto kind = static_cast<Activation>(context->saved_data["kind"].toInt());
    if (at::GradMode::is_enabled()) return {plainBackward(kind, gradients[0], x), Tensor()};
    return {callKernel<activationBackwardCpu>("bidora::_activation_backward", gradients[0], x, nameOf(kind)), Tensor()};
  }
};

struct GatedFunction : torch::autograd::Function<GatedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up, Activation kind) {
    context->save_for_backward({gate, up});
    context->saved_data["kind"] = static_cast<int64_t>(kind);
    if (kind == Activation::silu) return callKernel<siluMulCpu>("bidora::silu_mul", gate, up);
    return callKernel<geluMulCpu>("bidora::gelu_mul", gate, up, approximateOf(kind));
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1], &g = gradients[0];
    const auto kind = static_cast<Activation>(context->saved_data["kind"].toInt());
    if (at::GradMode::is_enabled()) return {plainBackward(kind, g.mul(up), gate), g.mul(plain(kind, gate)), Tensor()};
    const auto [ofGate, ofUp] = callKernel<gatedBackwardCpu>("bidora::_gated_backward", g, gate, up, nameOf(kind));
    return {ofGate, ofUp, Tensor()};
  }
};

// Double precision, which only references use, records libtorch's own operators.
Tensor activatedAutograd(const Tensor& x, Activation kind) {
  return x.scalar_type() == at::kDouble ? plain(kind, x) : ActivationFunction::apply(x, kind);
}
Tensor gatedAutograd(const Tensor& gate, const Tensor& up, Activation kind) {
  checkGate(gate, up);
  return gate.scalar_type() == at::kDouble ? plain(kind, gate).mul(up) : GatedFunction::apply(gate, up, kind);
}

Tensor geluAutograd(const Tensor& x, std::string_view approximate) { return activatedAutograd(x, geluOf(approximate)); }
Tensor siluAutograd(const Tensor& x) { return activatedAutograd(x, Activation::silu); }
Tensor geluMulAutograd(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  return gatedAutograd(gate, up, geluOf(approximate));
}
Tensor siluMulAutograd(const Tensor& gate, const Tensor& up) { return gatedAutograd(gate, up, Activation::silu); }

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu", [](OperatorLibrary& library) {
  library.define<geluCpu, geluMeta, geluAutograd>("gelu(Tensor input, *, str approximate=\"none\") -> Tensor");
  library.define<siluCpu, siluMeta, siluAutograd>("silu(Tensor input) -> Tensor");
  library.define<geluMulCpu, geluMulMeta, geluMulAutograd>(
      "gelu_mul(Tensor gate, Tensor up, *, str approximate=\"none\") -> Tensor");
  library.define<siluMulCpu, siluMulMeta, siluMulAutograd>("silu_mul(Tensor gate, Tensor up) -> Tensor");
  library.define<activationBackwardCpu, activationBackwardMeta, NoDerivative::refuse>(
      "_activation_backward(Tensor grad, Tensor input, str activation) -> Tensor");
  library.define<gatedBackwardCpu, gatedBackwardMeta, NoDerivative::refuse>(
      "_gated_backward(Tensor grad, Tensor gate, Tensor up, str activation) -> (Tensor gate_grad, Tensor up_grad)");
});

}  // namespace
}  // namespace bidora::activation
