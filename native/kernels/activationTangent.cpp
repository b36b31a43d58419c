// The derivative of GELU, and of its gradient, along a tangent of what it is applied to: forward over reverse.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <string_view>

#include "activationKind.h"
#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

Tensor geluTangent(const Tensor& input, const Tensor& tangent, std::string_view approximate) {
  refuseGradients("bidora::gelu_tangent", {input, tangent});
  checkOperands({&input, &tangent});
  checkTangent("input", tangent, input);
  const Activation kind = geluOf(approximate);
  const Tensor x = input.contiguous(), xd = tangent.contiguous(), out = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::gelu_tangent", [&] {
    const ActivationTangent<Stored<scalar_t>> of{read<scalar_t>(x), read<scalar_t>(xd), write<scalar_t>(out)};
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<scalar_t>().activationTangent(kind, of, begin, end);
    });
  });
  return out;
}

std::tuple<Tensor, Tensor> geluTangentBackward(const Tensor& input, const Tensor& tangent, const Tensor& gradient,
                                               const Maybe& gradientTangent, std::string_view approximate) {
  refuseGradients("bidora::gelu_tangent_backward", {input, tangent, gradient, orNone(gradientTangent)});
  checkOperands({&input, &tangent, &gradient});
  checkTangent("input", tangent, input);
  checkTangent("gradient", gradient, input);
  checkTangent("gradient", orNone(gradientTangent), input);
  const Activation kind = geluOf(approximate);
  const Tensor x = input.contiguous(), xd = tangent.contiguous(), g = gradient.contiguous(),
               gd = contiguousOrNone(orNone(gradientTangent));
  const Tensor ofTangent = at::empty_like(x), ofValue = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::gelu_tangent_backward", [&] {
    const ActivationTangentGradient<Stored<scalar_t>> of{read<scalar_t>(x),          read<scalar_t>(xd),
                                                         read<scalar_t>(g),          read<scalar_t>(gd),
                                                         write<scalar_t>(ofTangent), write<scalar_t>(ofValue)};
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<scalar_t>().activationTangentBackward(kind, of, begin, end);
    });
  });
  return {ofTangent, ofValue};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::gelu_tangent", [](torch::Library& library) {
  library.def("gelu_tangent(Tensor input, Tensor tangent, *, str approximate=\"none\") -> Tensor", geluTangent);
  library.def(
      "gelu_tangent_backward(Tensor input, Tensor tangent, Tensor grad, Tensor? grad_tangent, *, str "
      "approximate=\"none\") -> (Tensor input_grad_tangent, Tensor input_grad)",
      geluTangentBackward);
});

}  // namespace
}  // namespace bidora
