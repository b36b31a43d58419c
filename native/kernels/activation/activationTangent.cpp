// The directional derivatives of GELU and gated activations and of their gradients, along tangents of the inputs
// (forward over reverse).

#include <string_view>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"
#include "kind.h"

namespace bidora::activationTangent {
namespace {

using at::Tensor;

// The gradients' tangents for x and `up`, then the gradients.
using Four = std::tuple<Tensor, Tensor, Tensor, Tensor>;

// x and, if it is a gate, its factor `up`, with their tangents.
struct Operands {
  Tensor x, up, xd, upd;
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

Tensor tangent(const char* name, Activation kind, const Operands& given) {
  check(name, given);
  const Operands of = contiguous(given);
  const Tensor out = emptyLike(of.x);
  if (out.is_meta()) return out;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::activation_tangent", [&] {
    const ActivationTangent<Stored<scalar_t>> call{.x = read<scalar_t>(of.x),
                                                   .up = read<scalar_t>(of.up),
                                                   .xd = read<scalar_t>(of.xd),
                                                   .upd = read<scalar_t>(of.upd),
                                                   .out = write<scalar_t>(out)};
    at::parallel_for(0, of.x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<ActivationFunctions, scalar_t>().activationTangent(kind, call, begin, end);
    });
  });
  return out;
}

Four tangentBackward(const char* name, Activation kind, const Operands& given, const Tensor& gradient,
                     const Maybe& gradientTangent) {
  check(name, given);
  checkTangent("gradient", gradient, given.x);
  checkTangent("gradient", orNone(gradientTangent), given.x);
  const Operands of = contiguous(given);
  const Tensor g = gradient.contiguous(), gd = contiguousOrNone(orNone(gradientTangent));
  const bool isGate = of.up.defined();
  const auto ofGate = [&] { return isGate ? emptyLike(of.x) : Tensor(); };
  const Tensor ofXTangent = emptyLike(of.x), ofUpTangent = ofGate(), ofX = emptyLike(of.x), ofUp = ofGate();
  const Four results{ofXTangent, ofUpTangent, ofX, ofUp};
  if (of.x.is_meta()) return results;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::activation_tangent", [&] {
    const ActivationTangentGradient<Stored<scalar_t>> call{.x = read<scalar_t>(of.x),
                                                           .up = read<scalar_t>(of.up),
                                                           .xd = read<scalar_t>(of.xd),
                                                           .upd = read<scalar_t>(of.upd),
                                                           .g = read<scalar_t>(g),
                                                           .gd = read<scalar_t>(gd),
                                                           .ofXTangent = write<scalar_t>(ofXTangent),
                                                           .ofUpTangent = write<scalar_t>(ofUpTangent),
                                                           .ofX = write<scalar_t>(ofX),
                                                           .ofUp = write<scalar_t>(ofUp)};
    at::parallel_for(0, of.x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<ActivationFunctions, scalar_t>().activationTangentBackward(kind, call, begin, end);
    });
  });
  return results;
}

Tensor geluTangent(const Tensor& input, const Tensor& tangent, std::string_view approximate) {
  return activationTangent::tangent("bidora::gelu_tangent", geluOf(approximate), {input, Tensor(), tangent, Tensor()});
}

std::tuple<Tensor, Tensor> geluTangentBackward(const Tensor& input, const Tensor& tangent, const Tensor& gradient,
                                               const Maybe& gradientTangent, std::string_view approximate) {
  const auto [ofXTangent, ofUpTangent, ofX, ofUp] =
      tangentBackward("bidora::gelu_tangent_backward", geluOf(approximate), {input, Tensor(), tangent, Tensor()},
                      gradient, gradientTangent);
  return {ofXTangent, ofX};
}

Tensor gatedTangent(const Tensor& gate, const Tensor& up, const Maybe& gateTangent, const Maybe& upTangent,
                    std::string_view activation) {
  return tangent("bidora::gated_tangent", activationOf(activation), {gate, up, orNone(gateTangent), orNone(upTangent)});
}

Four gatedTangentBackward(const Tensor& gate, const Tensor& up, const Maybe& gateTangent, const Maybe& upTangent,
                          const Tensor& gradient, const Maybe& gradientTangent, std::string_view activation) {
  return tangentBackward("bidora::gated_tangent_backward", activationOf(activation),
                         {gate, up, orNone(gateTangent), orNone(upTangent)}, gradient, gradientTangent);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu_tangent", [](OperatorLibrary& library) {
  library.define<geluTangent, NoDerivative::refuse>(
      "gelu_tangent(Tensor input, Tensor tangent, *, str approximate=\"none\") -> Tensor");
  library.define<geluTangentBackward, NoDerivative::refuse>(
      "gelu_tangent_backward(Tensor input, Tensor tangent, Tensor grad, Tensor? grad_tangent, *, str "
      "approximate=\"none\") -> (Tensor input_grad_tangent, Tensor input_grad)");
  library.define<gatedTangent, NoDerivative::refuse>(
      "gated_tangent(Tensor gate, Tensor up, Tensor? gate_tangent, Tensor? up_tangent, *, str activation) -> Tensor");
  library.define<gatedTangentBackward, NoDerivative::refuse>(
      "gated_tangent_backward(Tensor gate, Tensor up, Tensor? gate_tangent, Tensor? up_tangent, Tensor grad, Tensor? "
      "grad_tangent, *, str activation) -> (Tensor gate_grad_tangent, Tensor up_grad_tangent, Tensor gate_grad, Tensor "
      "up_grad)");
});

}  // namespace
}  // namespace bidora::activationTangent
