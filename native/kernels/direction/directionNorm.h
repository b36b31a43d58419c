// The norm of each row of a direction V = W + s·B·A, computed without V in one operator:
//
//     n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
//
// and, in directionGain.cpp, the gain m / n of a magnitude m. Shapes: W [out, in], A [r, in], B [out, r], ‖w‖², n and m
// [out]. This saves some twenty operators on small tensors, and as many in the backward pass. If the update almost
// cancels the weight in some row, so that its squared norm is below the share `cancellation` of its positive terms, V
// is built and its norms are computed directly. Norms are at least `smallest`, so that a row of zeros stays zero
// instead of 0 / 0; its gain is 0.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bidora::directionNorm {

// Throws unless the operands fit together.
void check(const at::Tensor& weight, const at::Tensor& squaredBase, const at::Tensor& a, const at::Tensor& b);

// Norms, and the tensors that their gradients need: W·Aᵀ and B·(A·Aᵀ) [out, r], or V if it was built.
struct Norms {
  at::Tensor weight, a, b, norm, projected, bGram, direction;

  torch::autograd::variable_list tensors() const { return {weight, a, b, norm, projected, bGram, direction}; }
  static Norms of(const torch::autograd::variable_list& saved) {
    return {saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], saved[6]};
  }
};

// On the CPU.
Norms measure(const at::Tensor& weight, const at::Tensor& squaredBase, const at::Tensor& a, const at::Tensor& b,
              double scale, double cancellation, double smallest);

struct DirectionGradient {
  at::Tensor ofA, ofB;
};

// The norms and their gradients for Autograd kernels, dispatched by the operands' device.
Norms measured(const at::Tensor& weight, const at::Tensor& squaredBase, const at::Tensor& a, const at::Tensor& b,
               double scale, double cancellation, double smallest);
DirectionGradient measuredBackward(const Norms& of, const at::Tensor& gradient, double scale, double smallest);

void refuseSecondDerivative(const char* name);

}  // namespace bidora::directionNorm
