// The operators for the norms of directions: see directionNorm.h.
#include "directionNorm.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/add.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/where.h>

#include <optional>
#include <tuple>

#include "functions.h"
#include "kernels/common/registration.h"
#include "kernels/linear/operands.h"
#include "kernels/packed/packedWeight.h"
#include "weightProducts.h"

namespace bidora::directionNorm {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b) {
  checkOperand(squaredBase);
  checkFactors(weight, a, b);
  TORCH_CHECK(squaredBase.dim() == 1 && squaredBase.size(0) == weight.size(0), "expected one squared norm for each of ",
              weight.size(0), " rows");
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.scalar_type() == squaredBase.scalar_type(),
              "expected A, B and the squared norms in the same dtype");
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
}

Norms measure(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
              double cancellation, double smallest) {
  check(weight, squaredBase, a, b);
  const Tensor base = squaredBase.contiguous();
  Norms norms{weight, a.contiguous(), b.contiguous(), at::empty_like(base), Tensor(), Tensor(), Tensor()};
  norms.projected = weightTimesTransposed(weight, norms.a);
  norms.bGram = at::mm(norms.b, at::mm(norms.a, norms.a.t()));
  bool isWhole = false;
  AT_DISPATCH_FLOATING_TYPES(norms.a.scalar_type(), "bidora::direction_norm", [&] {
    const DirectionTerms<scalar_t> terms{base.const_data_ptr<scalar_t>(),
                                         norms.projected.const_data_ptr<scalar_t>(),
                                         norms.bGram.const_data_ptr<scalar_t>(),
                                         norms.b.const_data_ptr<scalar_t>(),
                                         static_cast<scalar_t>(scale),
                                         static_cast<scalar_t>(cancellation),
                                         b.size(0),
                                         b.size(1)};
    isWhole = functions<DirectionFunctions, scalar_t>().directionSquares(terms, norms.norm.data_ptr<scalar_t>());
  });
  // libtorch's sqrt, as for the initial magnitudes, so that both are bitwise equal.
  if (isWhole) at::sqrt_(norms.norm);
  else {
    norms.direction = at::add(denseWeight(weight).to(a.scalar_type()), at::mm(norms.b, norms.a), scale);
    norms.norm = at::clamp_min(at::linalg_vector_norm(norms.direction, 2, {1}), smallest);
  }
  return norms;
}

namespace {

DirectionGradient gradientsOf(const Norms& norms, const Tensor& given, double scale, double smallest) {
  const auto& [weight, a, b, norm, projected, bGram, direction] = norms;
  if (direction.defined()) {
    const Tensor factor = at::where(at::gt(norm, smallest), at::div(given, norm), 0).unsqueeze(1);  // [out, 1]
    const Tensor ofDirection = at::mul(direction, factor).mul_(scale);
    return {at::mm(b.t(), ofDirection), at::mm(ofDirection, a.t())};
  }
  const Tensor ofNorm = given.contiguous(), weighted = at::empty_like(b), ofB = at::empty_like(b);
  AT_DISPATCH_FLOATING_TYPES(b.scalar_type(), "bidora::direction_norm", [&] {
    functions<DirectionFunctions, scalar_t>().directionGradients(
        {ofNorm.const_data_ptr<scalar_t>(), norm.const_data_ptr<scalar_t>(), projected.const_data_ptr<scalar_t>(),
         bGram.const_data_ptr<scalar_t>(), b.const_data_ptr<scalar_t>(), static_cast<scalar_t>(scale),
         static_cast<scalar_t>(smallest), b.size(0), b.size(1), weighted.data_ptr<scalar_t>(),
         ofB.data_ptr<scalar_t>()});
  });
  return {transposedTimesWeight(weighted, weight).addmm_(at::mm(weighted.t(), b), a, 1, scale), ofB};
}

// The norm, W·Aᵀ, B·(A·Aᵀ), and V if it was built.
using Measured = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Measured measureCpu(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
                    double cancellation, double smallest) {
  const Norms norms = measure(weight, squaredBase, a, b, scale, cancellation, smallest);
  return {norms.norm, norms.projected, norms.bGram, norms.direction};
}

Measured measureMeta(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double, double,
                     double) {
  check(weight, squaredBase, a, b);
  return {at::empty(squaredBase.sizes(), squaredBase.options()), at::empty(b.sizes(), b.options()),
          at::empty(b.sizes(), b.options()), Tensor()};
}

std::tuple<Tensor, Tensor> measureBackwardCpu(const Tensor& gradient, const Tensor& weight, const Tensor& a,
                                              const Tensor& b, const Tensor& norm, const Tensor& projected,
                                              const Tensor& bGram, const std::optional<Tensor>& direction, double scale,
                                              double smallest) {
  const auto [ofA, ofB] =
      gradientsOf({weight, a, b, norm, projected, bGram, orNone(direction)}, gradient, scale, smallest);
  return {ofA, ofB};
}

std::tuple<Tensor, Tensor> measureBackwardMeta(const Tensor&, const Tensor&, const Tensor& a, const Tensor& b,
                                               const Tensor&, const Tensor&, const Tensor&,
                                               const std::optional<Tensor>&, double, double) {
  return {at::empty(a.sizes(), a.options()), at::empty(b.sizes(), b.options())};
}

}  // namespace

Norms measured(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
               double cancellation, double smallest) {
  const Tensor ownA = a.contiguous(), ownB = b.contiguous();
  const auto [norm, projected, bGram, direction] =
      callKernel<measureCpu>("bidora::_direction_norm", weight, squaredBase, ownA, ownB, scale, cancellation, smallest);
  return {weight, ownA, ownB, norm, projected, bGram, direction};
}

DirectionGradient measuredBackward(const Norms& of, const Tensor& gradient, double scale, double smallest) {
  const auto [ofA, ofB] =
      callKernel<measureBackwardCpu>("bidora::_direction_norm_backward", gradient, of.weight, of.a, of.b, of.norm,
                                     of.projected, of.bGram, ifDefined(of.direction), scale, smallest);
  return {ofA, ofB};
}

void refuseSecondDerivative(const char* name) {
  TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::", name, " has no second derivative: use the plain formula.");
}

namespace {

struct DirectionNormFunction : torch::autograd::Function<DirectionNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& weight, const Tensor& squaredBase, const Tensor& a,
                        const Tensor& b, double scale, double cancellation, double smallest) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(weight, squaredBase, a, b);
    const Norms norms = measured(weight, squaredBase, a, b, scale, cancellation, smallest);
    context->save_for_backward(norms.tensors());
    context->saved_data["scale"] = scale;
    context->saved_data["smallest"] = smallest;
    return norms.norm;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuseSecondDerivative("direction_norm");
    const auto [ofA, ofB] =
        measuredBackward(Norms::of(context->get_saved_variables()), gradients[0],
                         context->saved_data["scale"].toDouble(), context->saved_data["smallest"].toDouble());
    return {Tensor(), Tensor(), ofA, ofB, Tensor(), Tensor(), Tensor()};
  }
};

Tensor directionNormCpu(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
                        double cancellation, double smallest) {
  return measure(weight, squaredBase, a, b, scale, cancellation, smallest).norm;
}

Tensor directionNormMeta(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double,
                         double, double) {
  check(weight, squaredBase, a, b);
  return at::empty(squaredBase.sizes(), squaredBase.options());
}

Tensor directionNormAutograd(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                             double scale, double cancellation, double smallest) {
  return DirectionNormFunction::apply(weight, squaredBase, a, b, scale, cancellation, smallest);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_norm", [](OperatorLibrary& library) {
  library.define<directionNormCpu, directionNormMeta, directionNormAutograd>(
      "direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, float "
      "smallest) -> Tensor");
  library.define<measureCpu, measureMeta, NoDerivative::refuse>(
      "_direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, float "
      "smallest) -> (Tensor norm, Tensor projected, Tensor bGram, Tensor direction)");
  library.define<measureBackwardCpu, measureBackwardMeta, NoDerivative::refuse>(
      "_direction_norm_backward(Tensor grad, Tensor weight, Tensor a, Tensor b, Tensor norm, Tensor projected, Tensor "
      "bGram, Tensor? direction, float scale, float smallest) -> (Tensor a_grad, Tensor b_grad)");
});

}  // namespace
}  // namespace bidora::directionNorm
