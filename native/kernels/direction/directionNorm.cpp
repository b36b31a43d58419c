// The norm of each row of a direction V = W + s·B·A, computed without V in one operator:
//
//     n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
//
// and the gain m / n of a magnitude m. Shapes: W [out, in], A [r, in], B [out, r], ‖w‖², n and m [out]. This saves some
// twenty operators on small tensors, and as many in the backward pass. If the update almost cancels the weight in some
// row, so that its squared norm is below the share `cancellation` of its positive terms, V is built and its norms are
// computed directly. Norms are at least `smallest`, so that a row of zeros stays zero instead of 0 / 0; its gain is 0.
#include <ATen/ops/add.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/where.h>

#include <optional>
#include <tuple>

#include "functions.h"
#include "kernels/common/differentiable.h"
#include "kernels/packed/packedWeight.h"
#include "operands.h"
#include "weightProducts.h"

namespace bidora::directionNorm {
namespace {

using at::Tensor;

// Norms, and the tensors that their gradients need: W·Aᵀ and B·(A·Aᵀ) [out, r], or V if it was built.
struct Norms {
  Tensor weight, a, b, norm, projected, bGram, direction;

  std::vector<Tensor*> tensors() { return {&weight, &a, &b, &norm, &projected, &bGram, &direction}; }
};

// Of A and B.
using Gradients = std::tuple<Tensor, Tensor>;

// The norm, W·Aᵀ, B·(A·Aᵀ), and V if it was built.
using Measured = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Measured measure(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
                 double cancellation, double smallest) {
  checkDirection(weight, squaredBase, a, b);
  if (weight.is_meta()) return {emptyLike(squaredBase), emptyLike(b), emptyLike(b), Tensor()};
  const Tensor base = squaredBase.contiguous();
  const Tensor ownA = a.contiguous(), ownB = b.contiguous(), norm = at::empty_like(base),
               projected = weightTimesTransposed(weight, ownA), bGram = at::mm(ownB, at::mm(ownA, ownA.t()));
  bool isWhole = false;
  AT_DISPATCH_FLOATING_TYPES(ownA.scalar_type(), "bidora::direction_norm", [&] {
    const DirectionTerms<scalar_t> terms{.base = base.const_data_ptr<scalar_t>(),
                                         .projected = projected.const_data_ptr<scalar_t>(),
                                         .bGram = bGram.const_data_ptr<scalar_t>(),
                                         .b = ownB.const_data_ptr<scalar_t>(),
                                         .scale = static_cast<scalar_t>(scale),
                                         .cancellation = static_cast<scalar_t>(cancellation),
                                         .rows = b.size(0),
                                         .rank = b.size(1)};
    isWhole = functions<DirectionFunctions, scalar_t>().directionSquares(terms, norm.data_ptr<scalar_t>());
  });
  // libtorch's sqrt, as for the initial magnitudes, so that both are bitwise equal.
  if (isWhole) return {norm.sqrt_(), projected, bGram, Tensor()};
  const Tensor direction = at::add(denseWeight(weight).to(a.scalar_type()), at::mm(ownB, ownA), scale);
  return {at::clamp_min(at::linalg_vector_norm(direction, 2, {1}), smallest), projected, bGram, direction};
}

Gradients measureBackward(const Tensor& given, const Tensor& weight, const Tensor& a, const Tensor& b,
                          const Tensor& norm, const Tensor& projected, const Tensor& bGram, const Maybe& direction,
                          double scale, double smallest) {
  if (weight.is_meta()) return {emptyLike(a), emptyLike(b)};
  if (direction) {
    const Tensor factor = at::where(at::gt(norm, smallest), at::div(given, norm), 0).unsqueeze(1);  // [out, 1]
    const Tensor ofDirection = at::mul(*direction, factor).mul_(scale);
    return {at::mm(b.t(), ofDirection), at::mm(ofDirection, a.t())};
  }
  const Tensor ofNorm = given.contiguous(), weighted = at::empty_like(b), ofB = at::empty_like(b);
  AT_DISPATCH_FLOATING_TYPES(b.scalar_type(), "bidora::direction_norm", [&] {
    functions<DirectionFunctions, scalar_t>().directionGradients({.ofNorm = ofNorm.const_data_ptr<scalar_t>(),
                                                                  .norm = norm.const_data_ptr<scalar_t>(),
                                                                  .projected = projected.const_data_ptr<scalar_t>(),
                                                                  .bGram = bGram.const_data_ptr<scalar_t>(),
                                                                  .b = b.const_data_ptr<scalar_t>(),
                                                                  .scale = static_cast<scalar_t>(scale),
                                                                  .smallest = static_cast<scalar_t>(smallest),
                                                                  .rows = b.size(0),
                                                                  .rank = b.size(1),
                                                                  .weighted = weighted.data_ptr<scalar_t>(),
                                                                  .ofB = ofB.data_ptr<scalar_t>()});
  });
  return {transposedTimesWeight(weighted, weight).addmm_(at::mm(weighted.t(), b), a, 1, scale), ofB};
}

// The norms and their gradients, on the operands' device.
Norms measured(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
               double cancellation, double smallest) {
  const Tensor ownA = a.contiguous(), ownB = b.contiguous();
  const auto [norm, projected, bGram, direction] =
      callKernel<measure>("bidora::_direction_norm", weight, squaredBase, ownA, ownB, scale, cancellation, smallest);
  return {weight, ownA, ownB, norm, projected, bGram, direction};
}

Gradients measuredBackward(const Norms& of, const Tensor& gradient, double scale, double smallest) {
  return callKernel<measureBackward>("bidora::_direction_norm_backward", gradient, of.weight, of.a, of.b, of.norm,
                                     of.projected, of.bGram, ifDefined(of.direction), scale, smallest);
}

struct DirectionNorm {
  struct Saved {
    Norms norms;
    double scale, smallest;
    std::vector<Tensor*> tensors() { return norms.tensors(); }
  };

  static Forward<Tensor, Saved> forward(const Tensor& weight, const Tensor& squaredBase, const Tensor& a,
                                        const Tensor& b, double scale, double cancellation, double smallest) {
    checkDirection(weight, squaredBase, a, b);
    const Norms norms = measured(weight, squaredBase, a, b, scale, cancellation, smallest);
    return {norms.norm, {norms, scale, smallest}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    refuseSecondDerivative("direction_norm");
    const auto [ofA, ofB] = measuredBackward(saved.norms, gradients[0], saved.scale, saved.smallest);
    return {Tensor(), Tensor(), ofA, ofB};
  }
};

void checkMagnitude(const Tensor& magnitude, const Tensor& squaredBase) {
  checkOperands({&magnitude});
  TORCH_CHECK(magnitude.sizes() == squaredBase.sizes() && magnitude.scalar_type() == squaredBase.scalar_type(),
              "expected a magnitude for each squared norm, in the same dtype, got ", magnitude.sizes(), " of ",
              magnitude.scalar_type());
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

Tensor gainKernel(const Tensor& givenMagnitude, const Tensor& norm, double smallest) {
  const Tensor magnitude = givenMagnitude.contiguous(), gain = at::empty_like(norm);
  if (gain.is_meta()) return gain;
  AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::direction_gain", [&] {
    divide(magnitude.const_data_ptr<scalar_t>(), norm.const_data_ptr<scalar_t>(), static_cast<scalar_t>(smallest),
           gain.numel(), gain.data_ptr<scalar_t>());
  });
  return gain;
}

std::tuple<Tensor, Tensor> gainBackward(const Tensor& given, const Tensor& gain, const Tensor& norm, double smallest) {
  const Tensor gradient = given.contiguous(), ofMagnitude = at::empty_like(gain), ofNorm = at::empty_like(gain);
  if (gain.is_meta()) return {ofMagnitude, ofNorm};
  AT_DISPATCH_FLOATING_TYPES(gain.scalar_type(), "bidora::direction_gain", [&] {
    divideBackward(gradient.const_data_ptr<scalar_t>(), gain.const_data_ptr<scalar_t>(),
                   norm.const_data_ptr<scalar_t>(), static_cast<scalar_t>(smallest), gain.numel(),
                   ofMagnitude.data_ptr<scalar_t>(), ofNorm.data_ptr<scalar_t>());
  });
  return {ofMagnitude, ofNorm};
}

struct DirectionGain {
  struct Saved {
    Norms norms;
    Tensor gain;
    double scale, smallest;
    std::vector<Tensor*> tensors() {
      std::vector<Tensor*> all = norms.tensors();
      all.push_back(&gain);
      return all;
    }
  };

  static Forward<Tensor, Saved> forward(const Tensor& weight, const Tensor& squaredBase, const Tensor& a,
                                        const Tensor& b, const Tensor& magnitude, double scale, double cancellation,
                                        double smallest, bool) {
    checkDirection(weight, squaredBase, a, b);
    checkMagnitude(magnitude, squaredBase);
    const Norms norms = measured(weight, squaredBase, a, b, scale, cancellation, smallest);
    const Tensor gain = callKernel<gainKernel>("bidora::_direction_gain", magnitude, norms.norm, smallest);
    return {gain, {norms, gain, scale, smallest}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs& needs) {
    refuseSecondDerivative("direction_gain");
    const auto [ofMagnitude, ofNorm] = callKernel<gainBackward>("bidora::_direction_gain_backward", gradients[0],
                                                                saved.gain, saved.norms.norm, saved.smallest);
    Gradients ofFactors;
    if (needs[2] || needs[3]) ofFactors = measuredBackward(saved.norms, ofNorm, saved.scale, saved.smallest);
    const auto& [ofA, ofB] = ofFactors;
    return {Tensor(), Tensor(), ofA, ofB, ofMagnitude};
  }
};

// With a constant norm, A and B have no gradients.
Tensor directionGain(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                     const Tensor& magnitude, double scale, double cancellation, double smallest, bool isConstant) {
  return differentiated<DirectionGain>(weight, squaredBase, isConstant ? a.detach() : a, isConstant ? b.detach() : b,
                                       magnitude, scale, cancellation, smallest, isConstant);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_norm", [](OperatorLibrary& library) {
  defineDifferentiable<DirectionNorm>(
      library,
      "direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, float "
      "smallest) -> Tensor");
  library.define<measure, NoDerivative::refuse>(
      "_direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, float "
      "smallest) -> (Tensor norm, Tensor projected, Tensor bGram, Tensor direction)");
  library.define<measureBackward, NoDerivative::refuse>(
      "_direction_norm_backward(Tensor grad, Tensor weight, Tensor a, Tensor b, Tensor norm, Tensor projected, Tensor "
      "bGram, Tensor? direction, float scale, float smallest) -> (Tensor a_grad, Tensor b_grad)");
  library.define<KernelsOf<DirectionGain>::plain, directionGain>(
      "direction_gain(Tensor weight, Tensor squared_base, Tensor a, Tensor b, Tensor magnitude, float scale, float "
      "cancellation, float smallest, *, bool constant_norm=False) -> Tensor");
  library.define<gainKernel, NoDerivative::refuse>(
      "_direction_gain(Tensor magnitude, Tensor norm, float smallest) -> Tensor");
  library.define<gainBackward, NoDerivative::refuse>(
      "_direction_gain_backward(Tensor grad, Tensor gain, Tensor norm, float smallest) -> (Tensor magnitude_grad, "
      "Tensor norm_grad)");
});

}  // namespace
}  // namespace bidora::directionNorm
