// The derivative of row_norm, and of its gradient, along a tangent of the input: forward over reverse. The weight is
// frozen, and a bias has no say. Shapes: x [..., H], N rows of H numbers in all.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include "normOperands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

struct Operands {
  Tensor x, weight, xd;
};

// Checked, and side by side.
Operands prepared(const char* name, const Tensor& x, const Tensor& weight, const Tensor& xd) {
  checkNormWeights(x, weight, std::nullopt);
  refuseGradients(name, {x, xd});
  TORCH_CHECK(!weight.requires_grad(), name, ": expected a frozen weight, since it has no tangent");
  checkTangent("input", xd, x);
  return {x.contiguous(), weight.contiguous(), contiguousOrNone(xd)};
}

template <typename T>
NormTangent<Stored<T>> tangentOf(const Operands& of, double epsilon, bool isCentred) {
  return {.x = read<T>(of.x),
          .residual = nullptr,
          .weight = read<T>(of.weight),
          .xd = read<T>(of.xd),
          .residuald = nullptr,
          .size = of.x.size(-1),
          .epsilon = epsilon,
          .isCentred = isCentred,
          .dropping = {}};
}

Tensor rowNormTangent(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& xd, bool isCentred) {
  constexpr const char* kName = "bidora::row_norm_tangent";
  const Operands of = prepared(kName, x, weight, xd);
  const Tensor out = at::empty_like(of.x);
  if (x.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), kName, [&] {
    using Sum = SumOf<scalar_t>;
    const auto norm = tangentOf<scalar_t>(of, epsilon, isCentred);
    forRows<Sum>(
        x.numel() / norm.size, norm.size,
        [&](int64_t begin, int64_t end, Sum* room) {
          functions<scalar_t>().normTangent(norm, write<scalar_t>(out), nullptr, begin, end, room);
        },
        kTangentRooms);
  });
  return out;
}

std::tuple<Tensor, Tensor> rowNormTangentBackward(const Tensor& x, const Tensor& weight, double epsilon,
                                                  const Maybe& xd, const Tensor& g, const Maybe& gd, bool isCentred) {
  constexpr const char* kName = "bidora::row_norm_tangent_backward";
  const Operands of = prepared(kName, x, weight, orNone(xd));
  refuseGradients(kName, {g, orNone(gd)});
  checkTangent("gradient", g, x);
  checkTangent("gradient", orNone(gd), x);
  const Tensor change = g.contiguous(), changeTangent = contiguousOrNone(orNone(gd));
  const Tensor ofTangent = at::empty_like(of.x), ofValue = at::empty_like(of.x);
  if (x.numel() == 0) return {ofTangent, ofValue};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), kName, [&] {
    using Sum = SumOf<scalar_t>;
    const auto norm = tangentOf<scalar_t>(of, epsilon, isCentred);
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
        [&](int64_t begin, int64_t end, Sum* room) {
          functions<scalar_t>().normTangentBackward(norm, gradient, begin, end, room);
        },
        kTangentRooms);
  });
  return {ofTangent, ofValue};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::row_norm_tangent", [](torch::Library& library) {
  library.def(
      "row_norm_tangent(Tensor input, Tensor weight, float eps, Tensor input_tangent, *, bool centred=True) -> Tensor",
      rowNormTangent);
  library.def(
      "row_norm_tangent_backward(Tensor input, Tensor weight, float eps, Tensor? input_tangent, Tensor grad, Tensor? "
      "grad_tangent, *, bool centred=True) -> (Tensor input_grad_tangent, Tensor input_grad)",
      rowNormTangentBackward);
});

}  // namespace
}  // namespace bidora
