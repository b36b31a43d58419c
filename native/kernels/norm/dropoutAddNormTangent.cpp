// The directional derivatives of dropout_add_norm and of its gradients, along tangents of the input and the residual
// (forward over reverse). Weight and bias are frozen. Shapes: [N, H].
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::dropoutAddNormTangent {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

struct Operands {
  Tensor x, residual, weight, bias, xd, residuald;
};

void check(const char* name, const Operands& given) {
  const auto& [x, residual, weight, bias, xd, residuald] = given;
  checkNorm(x, residual, weight, bias.defined() ? Maybe(bias) : std::nullopt);
  TORCH_CHECK(!weight.requires_grad() && !(bias.defined() && bias.requires_grad()), name,
              ": expected a frozen weight and bias, since neither has a tangent");
  checkTangent("input", xd, x);
  checkTangent("residual", residuald, residual);
}

Operands contiguous(const Operands& given) {
  const auto& [x, residual, weight, bias, xd, residuald] = given;
  return {x.contiguous(), residual.contiguous(), weight.contiguous(),
          bias,           contiguousOrNone(xd),  contiguousOrNone(residuald)};
}

template <typename T>
NormTangent<Stored<T>> tangentOf(const Operands& of, const NormSettings& settings) {
  return {.x = read<T>(of.x),
          .residual = read<T>(of.residual),
          .weight = read<T>(of.weight),
          .xd = read<T>(of.xd),
          .residuald = read<T>(of.residuald),
          .size = of.x.size(1),
          .epsilon = settings.epsilon,
          .isCentered = settings.isCentered,
          .dropping = settings.dropping};
}

// Gradients of the normalized rows and of the sums, with their tangents; a missing one means 0.
struct Changes {
  Tensor normed, normedTangent, sum, sumTangent;
};

void check(const char* name, const Operands& operands, const Changes& given) {
  check(name, operands);
  for (const Tensor* change : {&given.normed, &given.normedTangent, &given.sum, &given.sumTangent})
    checkTangent("gradient", *change, operands.x);
}

using Two = std::tuple<Tensor, Tensor>;
using Four = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Two tangentCpu(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias, double epsilon,
               const Maybe& xd, const Maybe& residuald, bool isCentered, double p, int64_t seed, int64_t stream) {
  const NormSettings settings{epsilon, isCentered, droppingOf(p, seed, stream)};
  const Operands given{x, residual, weight, orNone(bias), orNone(xd), orNone(residuald)};
  check("bidora::dropout_add_norm_tangent", given);
  const Operands of = contiguous(given);
  const Tensor normed = at::empty_like(of.x), sum = at::empty_like(of.x);
  if (x.numel() == 0) return {normed, sum};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout_add_norm_tangent", [&] {
    using Sum = SumOf<scalar_t>;
    const auto norm = tangentOf<scalar_t>(of, settings);
    forRows<Sum>(
        x.size(0), x.size(1),
        [&](int64_t begin, int64_t end, Sum* scratch) {
          functions<NormFunctions, scalar_t>().normTangent(norm, write<scalar_t>(normed), write<scalar_t>(sum), begin,
                                                           end, scratch);
        },
        kTangentScratchRows);
  });
  return {normed, sum};
}

Four tangentBackwardCpu(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias,
                        double epsilon, const Maybe& xd, const Maybe& residuald, const Tensor& g, const Maybe& gd,
                        const Maybe& toSum, const Maybe& toSumTangent, bool isCentered, double p, int64_t seed,
                        int64_t stream) {
  constexpr const char* kName = "bidora::dropout_add_norm_tangent_backward";
  const NormSettings settings{epsilon, isCentered, droppingOf(p, seed, stream)};
  const Operands operands{x, residual, weight, orNone(bias), orNone(xd), orNone(residuald)};
  const Changes given{g, orNone(gd), orNone(toSum), orNone(toSumTangent)};
  check(kName, operands, given);
  const Operands of = contiguous(operands);
  const Changes changes{given.normed.contiguous(), contiguousOrNone(given.normedTangent), contiguousOrNone(given.sum),
                        contiguousOrNone(given.sumTangent)};
  const std::array<Tensor, 4> results{at::empty_like(of.x), at::empty_like(of.x), at::empty_like(of.x),
                                      at::empty_like(of.x)};
  if (x.numel() > 0)
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), kName, [&] {
      using Sum = SumOf<scalar_t>;
      const auto norm = tangentOf<scalar_t>(of, settings);
      const NormTangentGradient<Stored<scalar_t>> gradient{
          read<scalar_t>(changes.normed), read<scalar_t>(changes.normedTangent),
          read<scalar_t>(changes.sum),    read<scalar_t>(changes.sumTangent),
          write<scalar_t>(results[0]),    write<scalar_t>(results[1]),
          write<scalar_t>(results[2]),    write<scalar_t>(results[3])};
      forRows<Sum>(
          x.size(0), x.size(1),
          [&](int64_t begin, int64_t end, Sum* scratch) {
            functions<NormFunctions, scalar_t>().normTangentBackward(norm, gradient, begin, end, scratch);
          },
          kTangentScratchRows);
    });
  return {results[0], results[1], results[2], results[3]};
}

Tensor emptyLike(const Tensor& x) { return at::empty(x.sizes(), x.options()); }

Two tangentMeta(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias, double,
                const Maybe& xd, const Maybe& residuald, bool, double p, int64_t seed, int64_t stream) {
  droppingOf(p, seed, stream);
  check("bidora::dropout_add_norm_tangent", {x, residual, weight, orNone(bias), orNone(xd), orNone(residuald)});
  return {emptyLike(x), emptyLike(x)};
}

Four tangentBackwardMeta(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias, double,
                         const Maybe& xd, const Maybe& residuald, const Tensor& g, const Maybe& gd, const Maybe& toSum,
                         const Maybe& toSumTangent, bool, double p, int64_t seed, int64_t stream) {
  droppingOf(p, seed, stream);
  check("bidora::dropout_add_norm_tangent_backward", {x, residual, weight, orNone(bias), orNone(xd), orNone(residuald)},
        {g, orNone(gd), orNone(toSum), orNone(toSumTangent)});
  return {emptyLike(x), emptyLike(x), emptyLike(x), emptyLike(x)};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout_add_norm_tangent", [](OperatorLibrary& library) {
  library.define<tangentCpu, tangentMeta, NoDerivative::refuse>(
      "dropout_add_norm_tangent(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, Tensor? "
      "input_tangent, Tensor? residual_tangent, *, bool centered=True, float p=0., int seed=0, int stream=0) -> "
      "(Tensor "
      "normed_tangent, Tensor sum_tangent)");
  library.define<tangentBackwardCpu, tangentBackwardMeta, NoDerivative::refuse>(
      "dropout_add_norm_tangent_backward(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, "
      "Tensor? input_tangent, Tensor? residual_tangent, Tensor normed_grad, Tensor? normed_grad_tangent, Tensor? "
      "sum_grad, Tensor? sum_grad_tangent, *, bool centered=True, float p=0., int seed=0, int stream=0) -> (Tensor "
      "input_grad_tangent, Tensor residual_grad_tangent, Tensor input_grad, Tensor residual_grad)");
});

}  // namespace
}  // namespace bidora::dropoutAddNormTangent
