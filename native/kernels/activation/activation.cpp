// GELU, SiLU and their gated forms f(gate)·up, each in one pass forward and one backward. Shapes: [N, I].
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <string_view>

#include "functions.h"
#include "kernels/common/differentiable.h"
#include "kind.h"

namespace bidora::activation {
namespace {

using at::Tensor;

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
  const Tensor out = emptyLike(x);
  if (out.is_meta()) return out;
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
  const Operands results{emptyLike(x), up.defined() ? emptyLike(x) : up};
  if (x.is_meta()) return results;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::activation", [&] {
    forEachRowPart(x, [&](int64_t row, int64_t column, int64_t count) {
      const int64_t place = row * x.size(1) + column;
      const ActivatingGradient<Stored<scalar_t>> stretch{
          .x = numbersAt<scalar_t>(x, row, column),
          .up = numbersAt<scalar_t>(up, row, column),
          .gradient = numbersAt<scalar_t>(gradient, row, column),
          .ofX = write<scalar_t>(results.x) + place,
          .ofUp = up.defined() ? write<scalar_t>(results.up) + place : nullptr};
      functions<ActivationFunctions, scalar_t>().activateBackward(kind, stretch, count);
    });
  });
  return results;
}

Tensor activated(Activation kind, const Tensor& x) {
  checkOperands({&x});
  if (x.is_meta()) return emptyLike(x);
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
  if (gate.is_meta()) return emptyLike(gate);
  if (gate.scalar_type() == at::kDouble) return plain(kind, gate).mul(up);
  return forward(kind, {inRows(gate), inRows(up)});
}

Tensor gelu(const Tensor& x, std::string_view approximate) { return activated(geluOf(approximate), x); }
Tensor silu(const Tensor& x) { return activated(Activation::silu, x); }
Tensor geluMul(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  return gated(geluOf(approximate), gate, up);
}
Tensor siluMul(const Tensor& gate, const Tensor& up) { return gated(Activation::silu, gate, up); }
Tensor activationBackward(const Tensor& gradient, const Tensor& x, std::string_view activation) {
  return backward(activationOf(activation), oneRow(gradient), {oneRow(x), Tensor()}).x.view(x.sizes());
}
std::tuple<Tensor, Tensor> gatedBackward(const Tensor& gradient, const Tensor& gate, const Tensor& up,
                                         std::string_view activation) {
  const Operands of = backward(activationOf(activation), inRows(gradient), {inRows(gate), inRows(up)});
  return {of.x, of.up};
}

struct Activated {
  struct Saved {
    Tensor x;
    Activation kind;
    std::vector<Tensor*> tensors() { return {&x}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, Activation kind) {
    return {kind == Activation::silu ? callKernel<silu>("bidora::silu", x)
                                     : callKernel<gelu>("bidora::gelu", x, approximateOf(kind)),
            {x, kind}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    const auto& [x, kind] = saved;
    if (at::GradMode::is_enabled()) return {plainBackward(kind, gradients[0], x)};
    return {callKernel<activationBackward>("bidora::_activation_backward", gradients[0], x, nameOf(kind))};
  }
};

struct Gated {
  struct Saved {
    Tensor gate, up;
    Activation kind;
    std::vector<Tensor*> tensors() { return {&gate, &up}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& gate, const Tensor& up, Activation kind) {
    return {kind == Activation::silu ? callKernel<siluMul>("bidora::silu_mul", gate, up)
                                     : callKernel<geluMul>("bidora::gelu_mul", gate, up, approximateOf(kind)),
            {gate, up, kind}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    const auto& [gate, up, kind] = saved;
    const Tensor& g = gradients[0];
    if (at::GradMode::is_enabled()) return {plainBackward(kind, g.mul(up), gate), g.mul(plain(kind, gate))};
    const auto [ofGate, ofUp] = callKernel<gatedBackward>("bidora::_gated_backward", g, gate, up, nameOf(kind));
    return {ofGate, ofUp};
  }
};

// Double precision, which only references use, records libtorch's own operators.
Tensor activatedAutograd(const Tensor& x, Activation kind) {
  return x.scalar_type() == at::kDouble ? plain(kind, x) : differentiated<Activated>(x, kind);
}
Tensor gatedAutograd(const Tensor& gate, const Tensor& up, Activation kind) {
  checkGate(gate, up);
  return gate.scalar_type() == at::kDouble ? plain(kind, gate).mul(up) : differentiated<Gated>(gate, up, kind);
}

Tensor geluAutograd(const Tensor& x, std::string_view approximate) { return activatedAutograd(x, geluOf(approximate)); }
Tensor siluAutograd(const Tensor& x) { return activatedAutograd(x, Activation::silu); }
Tensor geluMulAutograd(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  return gatedAutograd(gate, up, geluOf(approximate));
}
Tensor siluMulAutograd(const Tensor& gate, const Tensor& up) { return gatedAutograd(gate, up, Activation::silu); }

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu", [](OperatorLibrary& library) {
  library.define<gelu, geluAutograd>("gelu(Tensor input, *, str approximate=\"none\") -> Tensor");
  library.define<silu, siluAutograd>("silu(Tensor input) -> Tensor");
  library.define<geluMul, geluMulAutograd>("gelu_mul(Tensor gate, Tensor up, *, str approximate=\"none\") -> Tensor");
  library.define<siluMul, siluMulAutograd>("silu_mul(Tensor gate, Tensor up) -> Tensor");
  library.define<activationBackward, NoDerivative::refuse>(
      "_activation_backward(Tensor grad, Tensor input, str activation) -> Tensor");
  library.define<gatedBackward, NoDerivative::refuse>(
      "_gated_backward(Tensor grad, Tensor gate, Tensor up, str activation) -> (Tensor gate_grad, Tensor up_grad)");
});

}  // namespace
}  // namespace bidora::activation
