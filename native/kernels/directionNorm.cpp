// The norm of each row of a direction V = W + s·B·A without V, as one operator:
//
//     n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
//
// Shapes: W [out, in], A [r, in], B [out, r], ‖w‖² and n [out]. What is saved are a score of operators on small tensors, in
// the backward pass as many again. Directions that all but cancel the weight are built and measured.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Below this share of its positive terms a squared norm has lost too many digits.
constexpr double kCancellation = 1e-3;
// Norms are at least this, so that a row of zeros stays one in place of 0 / 0.
constexpr double kSmallest = 1e-12;

void check(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b) {
  TORCH_CHECK(weight.dim() == 2 && a.dim() == 2 && b.dim() == 2 && a.size(1) == weight.size(1) && b.size(0) == weight.size(0) && b.size(1) == a.size(0),
              "expected A of [r, in] and B of [out, r] for a weight of ", weight.sizes(), ", got ", a.sizes(), " and ", b.sizes());
  TORCH_CHECK(squaredBase.dim() == 1 && squaredBase.size(0) == weight.size(0), "expected a squared norm for each of ", weight.size(0), " rows");
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.scalar_type() == squaredBase.scalar_type(), "expected A, B and the squared norms in one dtype");
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
}

// Squared norms [rows] from the three terms; false when a row's have cancelled. projected is W·Aᵀ, turned is B·(A·Aᵀ): [rows, rank].
template <typename T>
bool sumTerms(const T* base, const T* projected, const T* turned, const T* b, T scale, T* squares, int64_t rows, int64_t rank) {
  for (int64_t i = 0; i < rows; ++i) {
    T cross = 0, own = 0;
    for (int64_t k = i * rank; k < (i + 1) * rank; ++k) {
      cross += projected[k] * b[k];
      own += turned[k] * b[k];
    }
    const T positive = base[i] + scale * scale * own, squared = positive + 2 * scale * cross;
    if (!(squared > kCancellation * positive)) return false;
    squares[i] = squared;
  }
  return true;
}

struct DirectionNormFunction : torch::autograd::Function<DirectionNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& weight, const Tensor& squaredBase, const Tensor& givenA, const Tensor& givenB, double scale) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(weight, squaredBase, givenA, givenB);
    const Tensor a = givenA.contiguous(), b = givenB.contiguous(), base = squaredBase.contiguous();
    const Tensor projected = at::linear(weight, a.to(weight.scalar_type())).to(a.scalar_type()).contiguous();
    const Tensor turned = at::mm(b, at::mm(a, a.t()));
    Tensor norm = at::empty_like(base), direction;
    bool isWhole = false;
    AT_DISPATCH_FLOATING_TYPES(a.scalar_type(), "bidora::direction_norm", [&] {
      isWhole = sumTerms<scalar_t>(base.const_data_ptr<scalar_t>(), projected.const_data_ptr<scalar_t>(), turned.const_data_ptr<scalar_t>(),
                                   b.const_data_ptr<scalar_t>(), static_cast<scalar_t>(scale), norm.data_ptr<scalar_t>(), b.size(0), b.size(1));
    });
    // libtorch's root, as for the magnitudes at the start, so that they are equal to the last bit.
    if (isWhole) at::sqrt_(norm);
    else {
      direction = at::add(weight.to(a.scalar_type()), at::mm(b, a), scale);
      norm = at::clamp_min(at::linalg_vector_norm(direction, 2, {1}), kSmallest);
    }
    context->save_for_backward({weight, a, b, projected, turned, norm, direction});
    context->saved_data["scale"] = scale;
    return norm;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::direction_norm has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const Tensor &weight = saved[0], &a = saved[1], &b = saved[2], &projected = saved[3], &turned = saved[4], &norm = saved[5], &direction = saved[6];
    const double scale = context->saved_data["scale"].toDouble();
    const Tensor factor = at::where(at::gt(norm, kSmallest), at::div(gradients[0], norm), 0).unsqueeze(1);  // [out, 1]
    if (direction.defined()) {
      const Tensor ofDirection = at::mul(direction, factor).mul_(scale);
      return {Tensor(), Tensor(), at::mm(b.t(), ofDirection), at::mm(ofDirection, a.t()), Tensor()};
    }
    const Tensor weighted = at::mul(b, factor).mul_(scale);  // [out, r]
    const Tensor throughWeight = at::mm(weighted.t().to(weight.scalar_type()), weight).to(a.scalar_type());
    const Tensor ofA = throughWeight.addmm_(at::mm(weighted.t(), b), a, 1, scale);
    const Tensor ofB = at::add(projected, turned, scale).mul_(factor).mul_(scale);
    return {Tensor(), Tensor(), ofA, ofB, Tensor()};
  }
};

Tensor directionNorm(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale) {
  return DirectionNormFunction::apply(weight, squaredBase, a, b, scale);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_norm", [](torch::Library& library) {
  library.def("direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale) -> Tensor", directionNorm);
});

}  // namespace
}  // namespace bidora
