// The directional derivatives of GELU and gated activations and of their gradients, along tangents of the inputs
// (forward over reverse).
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <string_view>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"
#include "kind.h"

namespace bidora::activationTangent {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

// x and, if it is a gate, its factor `up`, with their tangents.
struct Operands {
  Tensor x, up, xd, upd;
};
// The output's gradient and its tangent.
struct Changes {
  Tensor g, gd;
};
struct Gradients {
  Tensor ofXTangent, ofUpTangent, ofX, ofUp;
};

void check(const char* name, const Operands& given) {
  const auto& [x, up, xd, upd] = given;
  checkOperands({&x});
  if (up.defined()) {
    checkOperands({&up});
    TORCH_CHECK(up.sizes() == x.sizes() && up.scalar_type() == x.scalar_type(), name,
                ": expected a gate and a factor of the same shape and dtype, got ", x.sizes(), ' ', x.scalar_type(),
                " and ", up.sizes(), ' ', up.scalar_type());
  }
  checkTangent("input", xd, x);
  checkTangent("factor", upd, x);
}

Operands contiguous(const Operands& given) {
  const auto& [x, up, xd, upd] = given;
  return {x.contiguous(), contiguousOrNone(up), contiguousOrNone(xd), contiguousOrNone(upd)};
}

void check(const char* name, const Operands& given, const Changes& changes) {
  check(name, given);
  checkTangent("gradient", changes.g, given.x);
  checkTangent("gradient", changes.gd, given.x);
}

Tensor tangent(const char* name, Activation kind, const Operands& given) {
  check(name, given);
  const Operands of = contiguous(given);
  const Tensor out = at::empty_like(of.x);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::activation_tangent", [&] {
    const ActivationTangent<Stored<scalar_t>> call{read<scalar_t>(of.x), read<scalar_t>(of.up), read<scalar_t>(of.xd),
                                                   read<scalar_t>(of.upd), write<scalar_t>(out)};
    at::parallel_for(0, of.x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<ActivationFunctions, scalar_t>().activationTangent(kind, call, begin, end);
    });
  });
  return out;
}

Gradients tangentBackward(const char* name, Activation kind, const Operands& given, const Changes& changes) {
  check(name, given, changes);
  const Operands of = contiguous(given);
  const Tensor g = changes.g.contiguous(), gd = contiguousOrNone(changes.gd);
  const bool isGate = of.up.defined();
  const Gradients results{at::empty_like(of.x), isGate ? at::empty_like(of.x) : Tensor(), at::empty_like(of.x),
                          isGate ? at::empty_like(of.x) : Tensor()};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::activation_tangent", [&] {
    const auto to = [](const Tensor& result) { return result.defined() ? write<scalar_t>(result) : nullptr; };
    const ActivationTangentGradient<Stored<scalar_t>> call{
        read<scalar_t>(of.x), read<scalar_t>(of.up), read<scalar_t>(of.xd),  read<scalar_t>(of.upd),
        read<scalar_t>(g),    read<scalar_t>(gd),    to(results.ofXTangent), to(results.ofUpTangent),
        to(results.ofX),      to(results.ofUp)};
    at::parallel_for(0, of.x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<ActivationFunctions, scalar_t>().activationTangentBackward(kind, call, begin, end);
    });
  });
  return results;
}

Tensor geluTangentCpu(const Tensor& input, const Tensor& tangent, std::string_view approximate) {
  return activationTangent::tangent("bidora::gelu_tangent", geluOf(approximate), {input, Tensor(), tangent, Tensor()});
}

std::tuple<Tensor, Tensor> geluTangentBackwardCpu(const Tensor& input, const Tensor& tangent, const Tensor& gradient,
                                                  const Maybe& gradientTangent, std::string_view approximate) {
  const Gradients found = tangentBackward("bidora::gelu_tangent_backward", geluOf(approximate),
                                          {input, Tensor(), tangent, Tensor()}, {gradient, orNone(gradientTangent)});
  return {found.ofXTangent, found.ofX};
}

Tensor gatedTangentCpu(const Tensor& gate, const Tensor& up, const Maybe& gateTangent, const Maybe& upTangent,
                       std::string_view activation) {
  return tangent("bidora::gated_tangent", activationOf(activation), {gate, up, orNone(gateTangent), orNone(upTangent)});
}

std::tuple<Tensor, Tensor, Tensor, Tensor> gatedTangentBackwardCpu(const Tensor& gate, const Tensor& up,
                                                                   const Maybe& gateTangent, const Maybe& upTangent,
                                                                   const Tensor& gradient, const Maybe& gradientTangent,
                                                                   std::string_view activation) {
  const Gradients found =
      tangentBackward("bidora::gated_tangent_backward", activationOf(activation),
                      {gate, up, orNone(gateTangent), orNone(upTangent)}, {gradient, orNone(gradientTangent)});
  return {found.ofXTangent, found.ofUpTangent, found.ofX, found.ofUp};
}

Tensor emptyLike(const Tensor& x) { return at::empty(x.sizes(), x.options()); }

Tensor geluTangentMeta(const Tensor& input, const Tensor& tangent, std::string_view approximate) {
  geluOf(approximate);
  check("bidora::gelu_tangent", {input, Tensor(), tangent, Tensor()});
  return emptyLike(input);
}

std::tuple<Tensor, Tensor> geluTangentBackwardMeta(const Tensor& input, const Tensor& tangent, const Tensor& gradient,
                                                   const Maybe& gradientTangent, std::string_view approximate) {
  geluOf(approximate);
  check("bidora::gelu_tangent_backward", {input, Tensor(), tangent, Tensor()}, {gradient, orNone(gradientTangent)});
  return {emptyLike(input), emptyLike(input)};
}

Tensor gatedTangentMeta(const Tensor& gate, const Tensor& up, const Maybe& gateTangent, const Maybe& upTangent,
                        std::string_view activation) {
  activationOf(activation);
  check("bidora::gated_tangent", {gate, up, orNone(gateTangent), orNone(upTangent)});
  return emptyLike(gate);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> gatedTangentBackwardMeta(const Tensor& gate, const Tensor& up,
                                                                    const Maybe& gateTangent, const Maybe& upTangent,
                                                                    const Tensor& gradient,
                                                                    const Maybe& gradientTangent,
                                                                    std::string_view activation) {
  activationOf(activation);
  check("bidora::gated_tangent_backward", {gate, up, orNone(gateTangent), orNone(upTangent)},
        {gradient, orNone(gradientTangent)});
  return {emptyLike(gate), emptyLike(gate), emptyLike(gate), emptyLike(gate)};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu_tangent", [](OperatorLibrary& library) {
  library.define<geluTangentCpu, geluTangentMeta, NoDerivative::refuse>(
      "gelu_tangent(Tensor input, Tensor tangent, *, str approximate=\"none\") -> Tensor");
  library.define<geluTangentBackwardCpu, geluTangentBackwardMeta, NoDerivative::refuse>(
      "gelu_tangent_backward(Tensor input, Tensor tangent, Tensor grad, Tensor? grad_tangent, *, str "
      "approximate=\"none\") -> (Tensor input_grad_tangent, Tensor input_grad)");
  library.define<gatedTangentCpu, gatedTangentMeta, NoDerivative::refuse>(
      "gated_tangent(Tensor gate, Tensor up, Tensor? gate_tangent, Tensor? up_tangent, *, str activation) -> Tensor");
  library.define<gatedTangentBackwardCpu, gatedTangentBackwardMeta, NoDerivative::refuse>(
      "gated_tangent_backward(Tensor gate, Tensor up, Tensor? gate_tangent, Tensor? up_tangent, Tensor grad, Tensor? "
      "grad_tangent, *, str activation) -> (Tensor gate_grad_tangent, Tensor up_grad_tangent, Tensor gate_grad, Tensor "
      "up_grad)");
});

}  // namespace
}  // namespace bidora::activationTangent
