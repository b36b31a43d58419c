// The norm of each row of a direction V = W + s·B·A, computed without V in one operator:
//
//     n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
//
// and the gain m / n of a magnitude m. Shapes: W [out, in], A [r, in], B [out, r], ‖w‖², n and m [out]. This saves some
// twenty operators on small tensors, and as many in the backward pass. If the update almost cancels the weight in some
// row, so that its squared norm is below the share `cancellation` of its positive terms, V is built and its norms are
// computed directly. Norms are at least `smallest`, so that a row of zeros stays zero instead of 0 / 0; its gain is 0.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/any.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>

#include "functions.h"
#include "kernels/common/registration.h"
#include "kernels/linear/operands.h"
#include "weightProducts.h"

namespace bidora::directionNorm {
namespace {

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

void checkMagnitude(const Tensor& magnitude, const Tensor& squaredBase) {
  checkOperands({&magnitude});
  TORCH_CHECK(magnitude.sizes() == squaredBase.sizes() && magnitude.scalar_type() == squaredBase.scalar_type(),
              "expected a magnitude for each squared norm, in the same dtype, got ", magnitude.sizes(), " of ",
              magnitude.scalar_type());
}

// Norms, and the tensors that their gradients need: W·Aᵀ and B·(A·Aᵀ) [out, r], or V if it was built.
struct Norms {
  Tensor weight, a, b, norm, projected, bGram, direction;

  variable_list tensors() const { return {weight, a, b, norm, projected, bGram, direction}; }
  static Norms of(const variable_list& saved) {
    return {saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6]};
  }
};

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
    norms.direction = at::add(weight.to(a.scalar_type()), at::mm(norms.b, norms.a), scale);
    norms.norm = at::clamp_min(at::linalg_vector_norm(norms.direction, 2, {1}), smallest);
  }
  return norms;
}

struct DirectionGradient {
  Tensor ofA, ofB;
};

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

void refuseSecondDerivative(const char* name) {
  TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::", name, " has no second derivative: use the plain formula.");
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

// The same two for Autograd kernels, dispatched by the operands' device.
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

// m / n, and the gradients of m and n from its gradient.
template <typename T>
void divide(const T* magnitude, const T* norm, T smallest, int64_t size, T* gain) {
  for (int64_t i = 0; i < size; ++i) gain[i] = norm[i] > smallest ? magnitude[i] / norm[i] : T{0};
}
template <typename T>
void divideBackward(const T* gradient, const T* gain, const T* norm, T smallest, int64_t size, T* ofMagnitude,
                    T* ofNorm) {
  for (int64_t i = 0; i < size; ++i) {
    ofMagnitude[i] = norm[i] > smallest ? gradient[i] / norm[i] : T{0};
    ofNorm[i] = -gain[i] * ofMagnitude[i];
  }
}

Tensor gainCpu(const Tensor& givenMagnitude, const Tensor& norm, double smallest) {
  const Tensor magnitude = givenMagnitude.contiguous(), gain = at::empty_like(norm);
  AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::direction_gain", [&] {
    divide(magnitude.const_data_ptr<scalar_t>(), norm.const_data_ptr<scalar_t>(), static_cast<scalar_t>(smallest),
           gain.numel(), gain.data_ptr<scalar_t>());
  });
  return gain;
}

Tensor gainMeta(const Tensor&, const Tensor& norm, double) { return at::empty_like(norm); }

std::tuple<Tensor, Tensor> gainBackwardCpu(const Tensor& given, const Tensor& gain, const Tensor& norm,
                                           double smallest) {
  const Tensor gradient = given.contiguous(), ofMagnitude = at::empty_like(gain), ofNorm = at::empty_like(gain);
  AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::direction_gain", [&] {
    divideBackward(gradient.const_data_ptr<scalar_t>(), gain.const_data_ptr<scalar_t>(),
                   norm.const_data_ptr<scalar_t>(), static_cast<scalar_t>(smallest), gain.numel(),
                   ofMagnitude.data_ptr<scalar_t>(), ofNorm.data_ptr<scalar_t>());
  });
  return {ofMagnitude, ofNorm};
}

std::tuple<Tensor, Tensor> gainBackwardMeta(const Tensor&, const Tensor& gain, const Tensor&, double) {
  return {at::empty_like(gain), at::empty_like(gain)};
}

struct DirectionGainFunction : torch::autograd::Function<DirectionGainFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& weight, const Tensor& squaredBase, const Tensor& a,
                        const Tensor& b, const Tensor& magnitude, double scale, double cancellation, double smallest) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(weight, squaredBase, a, b);
    checkMagnitude(magnitude, squaredBase);
    const Norms norms = measured(weight, squaredBase, a, b, scale, cancellation, smallest);
    const Tensor gain = callKernel<gainCpu>("bidora::_direction_gain", magnitude, norms.norm, smallest);
    variable_list saved = norms.tensors();
    saved.push_back(gain);
    context->save_for_backward(std::move(saved));
    context->saved_data["scale"] = scale;
    context->saved_data["smallest"] = smallest;
    return gain;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuseSecondDerivative("direction_gain");
    const variable_list saved = context->get_saved_variables();
    const Norms norms = Norms::of(saved);
    const double scale = context->saved_data["scale"].toDouble(), smallest = context->saved_data["smallest"].toDouble();
    const auto [ofMagnitude, ofNorm] = callKernel<gainBackwardCpu>("bidora::_direction_gain_backward", gradients[0],
                                                                   saved.back(), norms.norm, smallest);
    DirectionGradient ofDirection;
    if (context->needs_input_grad(2) || context->needs_input_grad(3))
      ofDirection = measuredBackward(norms, ofNorm, scale, smallest);
    return {Tensor(), Tensor(), ofDirection.ofA, ofDirection.ofB, ofMagnitude, Tensor(), Tensor(), Tensor()};
  }
};

// Whether the terms of some row cancel so much that its norm has to be computed from V itself.
bool hasCancelled(const Tensor& norm, const Tensor& squaredBase, const Tensor& b, const Tensor& bGram, double scale,
                  double cancellation) {
  const Tensor positive = at::add(squaredBase, at::mul(bGram, b).sum(1), scale * scale);
  return at::gt(positive.mul_(cancellation), at::mul(norm, norm)).any().item<bool>();
}

void checkTangentOperands(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                          const Tensor& norm, const std::optional<Tensor>& aDot, const std::optional<Tensor>& bDot) {
  check(weight, squaredBase, a, b);
  checkOperands({&norm});
  checkOperands({&aDot, &bDot});
  TORCH_CHECK(norm.dim() == 1 && norm.size(0) == weight.size(0), "expected one norm for each of ", weight.size(0),
              " rows");
  TORCH_CHECK((!aDot || (aDot->sizes() == a.sizes() && aDot->scalar_type() == a.scalar_type())) &&
                  (!bDot || (bDot->sizes() == b.sizes() && bDot->scalar_type() == b.scalar_type())),
              "expected tangents in the shapes of A and B, ", a.sizes(), " and ", b.sizes());
}

Tensor tangentMeta(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double, double,
                   double, const Tensor& norm, const std::optional<Tensor>& aDot, const std::optional<Tensor>& bDot) {
  checkTangentOperands(weight, squaredBase, a, b, norm, aDot, bDot);
  return at::empty_like(norm);
}

// ṅ_i = ⟨v_i, v̇_i⟩ / n_i with V̇ = s·(Ḃ·A + B·Ȧ), from W·[A; Ȧ]ᵀ; 0 for a row of zeros.
Tensor tangentCpu(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
                  double cancellation, double smallest, const Tensor& norm, const std::optional<Tensor>& aDot,
                  const std::optional<Tensor>& bDot) {
  checkTangentOperands(weight, squaredBase, a, b, norm, aDot, bDot);
  const Tensor bGram = at::mm(b, at::mm(a, a.t()));
  Tensor product;  // ⟨v_i, v̇_i⟩ / s
  if (hasCancelled(norm, squaredBase, b, bGram, scale, cancellation)) {
    Tensor moved = at::zeros(weight.sizes(), a.options());
    if (bDot) moved.addmm_(*bDot, a);
    if (aDot) moved.addmm_(b, *aDot);
    product = at::add(weight.to(a.scalar_type()), at::mm(b, a), scale).mul_(moved).sum(1);
  } else {
    const int64_t rank = a.size(0);
    const Tensor projected = weightTimesTransposed(weight, aDot ? at::cat({a, *aDot}, 0) : a);  // [out, r or 2r]
    product = at::zeros_like(norm);
    if (bDot) product.add_(at::add(projected.narrow(1, 0, rank), bGram, scale).mul_(*bDot).sum(1));
    if (aDot)
      product.add_(at::add(projected.narrow(1, rank, rank), at::mm(b, at::mm(a, aDot->t())), scale).mul_(b).sum(1));
  }
  return at::where(at::gt(norm, smallest), at::div(product.mul_(scale), norm), 0);
}

Tensor directionGainCpu(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                        const Tensor& magnitude, double scale, double cancellation, double smallest, bool) {
  const Norms norms = measure(weight, squaredBase, a, b, scale, cancellation, smallest);
  checkMagnitude(magnitude, squaredBase);
  return gainCpu(magnitude, norms.norm, smallest);
}

Tensor directionGainMeta(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                         const Tensor& magnitude, double, double, double, bool) {
  check(weight, squaredBase, a, b);
  checkMagnitude(magnitude, squaredBase);
  return at::empty(magnitude.sizes(), magnitude.options());
}

Tensor directionGainAutograd(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                             const Tensor& magnitude, double scale, double cancellation, double smallest,
                             bool isConstant) {
  return DirectionGainFunction::apply(weight, squaredBase, isConstant ? a.detach() : a, isConstant ? b.detach() : b,
                                      magnitude, scale, cancellation, smallest);
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
  library.define<tangentCpu, tangentMeta, NoDerivative::refuse>(
      "direction_norm_tangent(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, "
      "float smallest, Tensor norm, Tensor? a_dot, Tensor? b_dot) -> Tensor");
  library.define<directionGainCpu, directionGainMeta, directionGainAutograd>(
      "direction_gain(Tensor weight, Tensor squared_base, Tensor a, Tensor b, Tensor magnitude, float scale, float "
      "cancellation, float smallest, *, bool constant_norm=False) -> Tensor");
  library.define<gainCpu, gainMeta, NoDerivative::refuse>(
      "_direction_gain(Tensor magnitude, Tensor norm, float smallest) -> Tensor");
  library.define<gainBackwardCpu, gainBackwardMeta, NoDerivative::refuse>(
      "_direction_gain_backward(Tensor grad, Tensor gain, Tensor norm, float smallest) -> (Tensor magnitude_grad, "
      "Tensor norm_grad)");
});

}  // namespace
}  // namespace bidora::directionNorm
