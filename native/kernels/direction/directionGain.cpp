// The gain m / n of a magnitude m, with the norm n of each row of a direction (directionNorm.h); 0 for a row of zeros.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <tuple>
#include <utility>

#include "directionNorm.h"
#include "kernels/common/registration.h"
#include "kernels/linear/operands.h"

namespace bidora::directionGain {
namespace {

using at::Tensor;
using directionNorm::check;
using directionNorm::DirectionGradient;
using directionNorm::measured;
using directionNorm::measuredBackward;
using directionNorm::Norms;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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
    directionNorm::refuseSecondDerivative("direction_gain");
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

Tensor directionGainCpu(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                        const Tensor& magnitude, double scale, double cancellation, double smallest, bool) {
  const Norms norms = directionNorm::measure(weight, squaredBase, a, b, scale, cancellation, smallest);
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

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_gain", [](OperatorLibrary& library) {
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
}  // namespace bidora::directionGain
