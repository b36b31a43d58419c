// The directional derivatives of row_norm and of its gradient, along a tangent of the input (forward over reverse). The
// weight is frozen, and a bias has no effect. Shapes: x [..., H], N rows in all.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::rowNormTangent {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

struct Operands {
  Tensor x, weight, xd;
};

void check(const char* name, const Tensor& x, const Tensor& weight, const Tensor& xd) {
  checkNormWeights(x, weight, std::nullopt);
  TORCH_CHECK(!weight.requires_grad(), name, ": expected a frozen weight, since it has no tangent");
  checkTangent("input", xd, x);
}

Operands contiguous(const Tensor& x, const Tensor& weight, const Tensor& xd) {
  return {x.contiguous(), weight.contiguous(), contiguousOrNone(xd)};
}

void check(const char* name, const Tensor& x, const Tensor& weight, const Maybe& xd, const Tensor& g, const Maybe& gd) {
  check(name, x, weight, orNone(xd));
  checkTangent("gradient", g, x);
  checkTangent("gradient", orNone(gd), x);
}

template <typename T>
NormTangent<Stored<T>> tangentOf(const Operands& of, double epsilon, bool isCentered) {
  return {.x = read<T>(of.x),
          .residual = nullptr,
          .weight = read<T>(of.weight),
          .xd = read<T>(of.xd),
          .residuald = nullptr,
          .size = of.x.size(-1),
          .epsilon = epsilon,
          .isCentered = isCentered,
          .dropping = {}};
}

Tensor tangentCpu(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& xd, bool isCentered) {
  constexpr const char* kName = "bidora::row_norm_tangent";
  check(kName, x, weight, xd);
  const Operands of = contiguous(x, weight, xd);
  const Tensor out = at::empty_like(of.x);
  if (x.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), kName, [&] {
    using Sum = SumOf<scalar_t>;
    const auto norm = tangentOf<scalar_t>(of, epsilon, isCentered);
    forRows<Sum>(
        x.numel() / norm.size, norm.size,
        [&](int64_t begin, int64_t end, Sum* scratch) {
          functions<NormFunctions, scalar_t>().normTangent(norm, write<scalar_t>(out), nullptr, begin, end, scratch);
        },
        kTangentScratchRows);
  });
  return out;
}

std::tuple<Tensor, Tensor> tangentBackwardCpu(const Tensor& x, const Tensor& weight, double epsilon, const Maybe& xd,
                                              const Tensor& g, const Maybe& gd, bool isCentered) {
  constexpr const char* kName = "bidora::row_norm_tangent_backward";
  check(kName, x, weight, xd, g, gd);
  const Operands of = contiguous(x, weight, orNone(xd));
  const Tensor change = g.contiguous(), changeTangent = contiguousOrNone(orNone(gd));
  const Tensor ofTangent = at::empty_like(of.x), ofValue = at::empty_like(of.x);
  if (x.numel() == 0) return {ofTangent, ofValue};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), kName, [&] {
    using Sum = SumOf<scalar_t>;
    const auto norm = tangentOf<scalar_t>(of, epsilon, isCentered);
    const NormTangentGradient<Stored<scalar_t>> gradient{.normed = read<scalar_t>(change),
                                                         .normedTangent = read<scalar_t>(changeTangent),
                                                         .sum = nullptr,
                                                         .sumTangent = nullptr,
                                                         .ofXTangent = write<scalar_t>(ofTangent),
                                                         .ofResidualTangent = nullptr,
                                                         .ofX = write<scalar_t>(ofValue),
                                                         .ofResidual = nullptr};
    forRows<Sum>(
        x.numel() / norm.size, norm.size,
        [&](int64_t begin, int64_t end, Sum* scratch) {
          functions<NormFunctions, scalar_t>().normTangentBackward(norm, gradient, begin, end, scratch);
        },
        kTangentScratchRows);
  });
  return {ofTangent, ofValue};
}

Tensor tangentMeta(const Tensor& x, const Tensor& weight, double, const Tensor& xd, bool) {
  check("bidora::row_norm_tangent", x, weight, xd);
  return at::empty(x.sizes(), x.options());
}

std::tuple<Tensor, Tensor> tangentBackwardMeta(const Tensor& x, const Tensor& weight, double, const Maybe& xd,
                                               const Tensor& g, const Maybe& gd, bool) {
  check("bidora::row_norm_tangent_backward", x, weight, xd, g, gd);
  return {at::empty(x.sizes(), x.options()), at::empty(x.sizes(), x.options())};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::row_norm_tangent", [](OperatorLibrary& library) {
  library.define<tangentCpu, tangentMeta, NoDerivative::refuse>(
      "row_norm_tangent(Tensor input, Tensor weight, float eps, Tensor input_tangent, *, bool centered=True) -> "
      "Tensor");
  library.define<tangentBackwardCpu, tangentBackwardMeta, NoDerivative::refuse>(
      "row_norm_tangent_backward(Tensor input, Tensor weight, float eps, Tensor? input_tangent, Tensor grad, Tensor? "
      "grad_tangent, *, bool centered=True) -> (Tensor input_grad_tangent, Tensor input_grad)");
});

}  // namespace
}  // namespace bidora::rowNormTangent
