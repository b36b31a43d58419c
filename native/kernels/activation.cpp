// GELU, SiLU and their gated forms f(gate)·up, each one pass forward and one backward. Shapes: N rows of I numbers.
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

#include "activationKind.h"
#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// libtorch's own, which can be differentiated as often as one likes.
Tensor plain(Activation kind, const Tensor& x) {
  return kind == Activation::silu ? at::silu(x) : at::gelu(x, approximateOf(kind));
}
Tensor plainBackward(Activation kind, const Tensor& gradient, const Tensor& x) {
  if (kind != Activation::silu) return at::gelu_backward(gradient, x, approximateOf(kind));
  const Tensor share = at::sigmoid(x);
  return gradient.mul(share.mul(x.mul(at::rsub(share, 1)).add(1)));
}

// x and, where it is a gate, what it is multiplied by: one row of all numbers, or rows that lie apart, as slices of a
// joint product do.
struct Operands {
  Tensor x, up;
};

Tensor oneRow(const Tensor& x) { return x.contiguous().view({1, -1}); }
Tensor inRows(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

template <typename T>
const Stored<T>* numbersAt(const Tensor& x, int64_t row, int64_t column) {
  return x.defined() ? read<T>(x) + row * x.stride(0) + column : nullptr;
}

// use(row, column, count) for stretches of [N, I], on all threads.
template <typename Use>
void forEachStretch(const Tensor& like, Use use) {
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
    forEachStretch(x, [&](int64_t row, int64_t column, int64_t count) {
      const Activating<Stored<scalar_t>> stretch{numbersAt<scalar_t>(x, row, column),
                                                 numbersAt<scalar_t>(up, row, column),
                                                 write<scalar_t>(out) + row * x.size(1) + column};
      functions<scalar_t>().activate(kind, stretch, count);
    });
  });
  return out;
}

Operands backward(Activation kind, const Tensor& gradient, const Operands& of) {
  const auto& [x, up] = of;
  const Operands results{at::empty(x.sizes(), x.options()), up.defined() ? at::empty(x.sizes(), x.options()) : up};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::activation", [&] {
    forEachStretch(x, [&](int64_t row, int64_t column, int64_t count) {
      const int64_t place = row * x.size(1) + column;
      const ActivatingGradient<Stored<scalar_t>> stretch{
          numbersAt<scalar_t>(x, row, column), numbersAt<scalar_t>(up, row, column),
          numbersAt<scalar_t>(gradient, row, column), write<scalar_t>(results.x) + place,
          up.defined() ? write<scalar_t>(results.up) + place : nullptr};
      functions<scalar_t>().activateBackward(kind, stretch, count);
    });
  });
  return results;
}

struct ActivationFunction : torch::autograd::Function<ActivationFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, Activation kind) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({x});
    context->saved_data["kind"] = static_cast<int64_t>(kind);
    // Measured: oneDNN's exact GELU of bfloat16 is the one value that libtorch finds faster.
    if (kind == Activation::gelu && x.scalar_type() == at::kBFloat16) return plain(kind, x.contiguous());
    return bidora::forward(kind, {oneRow(x), Tensor()}).view(x.sizes());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const auto kind = static_cast<Activation>(context->saved_data["kind"].toInt());
    if (at::GradMode::is_enabled()) return {plainBackward(kind, gradients[0], x), Tensor()};
    return {bidora::backward(kind, oneRow(gradients[0]), {oneRow(x), Tensor()}).x.view(x.sizes()), Tensor()};
  }
};

struct GatedFunction : torch::autograd::Function<GatedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up, Activation kind) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({gate, up});
    context->saved_data["kind"] = static_cast<int64_t>(kind);
    return bidora::forward(kind, {inRows(gate), inRows(up)});
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1], &g = gradients[0];
    const auto kind = static_cast<Activation>(context->saved_data["kind"].toInt());
    if (at::GradMode::is_enabled()) return {plainBackward(kind, g.mul(up), gate), g.mul(plain(kind, gate)), Tensor()};
    const Operands of = bidora::backward(kind, inRows(g), {inRows(gate), inRows(up)});
    return {of.x, of.up, Tensor()};
  }
};

Tensor activated(const Tensor& x, Activation kind) {
  checkOperands({&x});
  return x.scalar_type() == at::kDouble ? plain(kind, x) : ActivationFunction::apply(x, kind);
}

Tensor gated(const Tensor& gate, const Tensor& up, Activation kind) {
  checkOperands({&gate, &up});
  TORCH_CHECK(gate.dim() == 2 && up.sizes() == gate.sizes() && up.scalar_type() == gate.scalar_type(),
              "expected a gate and what it is multiplied by of one shape [N, I] and one dtype, got ", gate.sizes(), ' ',
              gate.scalar_type(), " and ", up.sizes(), ' ', up.scalar_type());
  return gate.scalar_type() == at::kDouble ? plain(kind, gate).mul(up) : GatedFunction::apply(gate, up, kind);
}

Tensor gelu(const Tensor& x, std::string_view approximate) { return activated(x, geluOf(approximate)); }
Tensor silu(const Tensor& x) { return activated(x, Activation::silu); }
Tensor geluMul(const Tensor& gate, const Tensor& up, std::string_view approximate) {
  return gated(gate, up, geluOf(approximate));
}
Tensor siluMul(const Tensor& gate, const Tensor& up) { return gated(gate, up, Activation::silu); }

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu", [](torch::Library& library) {
  library.def("gelu(Tensor input, *, str approximate=\"none\") -> Tensor", gelu);
  library.def("silu(Tensor input) -> Tensor", silu);
  library.def("gelu_mul(Tensor gate, Tensor up, *, str approximate=\"none\") -> Tensor", geluMul);
  library.def("silu_mul(Tensor gate, Tensor up) -> Tensor", siluMul);
});

}  // namespace
}  // namespace bidora
