// The norm of each row of a direction V = W + s·B·A without V, as one operator:
//
//     n_i² = ‖w_i‖² + 2s·⟨(W·Aᵀ)_i, B_i⟩ + s²·B_i·(A·Aᵀ)·B_iᵀ
//
// Shapes: W [out, in], A [r, in], B [out, r], ‖w‖² and n [out]. What is saved are a score of operators on small
// tensors, in the backward pass as many again. Directions that all but cancel the weight, whose squared norm is below
// `cancellation` of its positive terms, are built and measured. Norms are at least `smallest`, so that a row of zeros
// stays one in place of 0 / 0.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/any.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b) {
  checkOperands({&weight, &squaredBase, &a, &b});
  TORCH_CHECK(weight.dim() == 2 && a.dim() == 2 && b.dim() == 2 && a.size(1) == weight.size(1) &&
                  b.size(0) == weight.size(0) && b.size(1) == a.size(0),
              "expected A of [r, in] and B of [out, r] for a weight of ", weight.sizes(), ", got ", a.sizes(), " and ",
              b.sizes());
  TORCH_CHECK(squaredBase.dim() == 1 && squaredBase.size(0) == weight.size(0), "expected a squared norm for each of ",
              weight.size(0), " rows");
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.scalar_type() == squaredBase.scalar_type(),
              "expected A, B and the squared norms in one dtype");
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
}

constexpr int64_t kRowsOfThread = 64;

int64_t padded(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// A narrow weight's products are summed in the numbers of A and B: rounded, they would drown what terms that cancel
// leave.
bool isNarrow(const Tensor& weight, const Tensor& like) {
  return weight.scalar_type() == at::kBFloat16 && like.scalar_type() == at::kFloat;
}

at::ScalarType common(const Tensor& weight, const Tensor& like) {
  return at::promote_types(weight.scalar_type(), like.scalar_type());
}

WeightProduct<Bfloat16> productOf(const Tensor& weight, int64_t width, const Tensor& other, const Tensor& result) {
  return {{read<c10::BFloat16>(weight), weight.stride(0)},
          weight.size(0),
          weight.size(1),
          width,
          other.const_data_ptr<float>(),
          result.data_ptr<float>()};
}

// W·Aᵀ: [out, r] in the dtype of A.
Tensor timesTransposed(const Tensor& weight, const Tensor& a) {
  if (!isNarrow(weight, a))
    return at::linear(weight.to(common(weight, a)), a.to(common(weight, a))).to(a.scalar_type()).contiguous();
  const int64_t rank = a.size(0), width = padded(rank, kWidth);
  const Tensor rows = weight.contiguous(), other = at::zeros({a.size(1), width}, a.options());
  other.narrow(1, 0, rank).copy_(a.t());
  const Tensor result = at::empty({weight.size(0), width}, a.options());
  const auto product = productOf(rows, width, other, result);
  at::parallel_for(0, weight.size(0), kRowsOfThread,
                   [&](int64_t begin, int64_t end) { functions<c10::BFloat16>().weightTimes(product, begin, end); });
  return result.narrow(1, 0, rank).contiguous();
}

// Xᵀ·W for X of [out, r]: [r, in] in the dtype of X.
Tensor transposedTimes(const Tensor& x, const Tensor& weight) {
  if (!isNarrow(weight, x))
    return at::mm(x.t().to(common(weight, x)), weight.to(common(weight, x))).to(x.scalar_type());
  const int64_t rank = x.size(1), width = padded(rank, 4);
  const Tensor rows = weight.contiguous(), other = at::zeros({width, x.size(0)}, x.options());
  other.narrow(0, 0, rank).copy_(x.t());
  const Tensor result = at::empty({width, weight.size(1)}, x.options());
  const auto product = productOf(rows, width, other, result);
  at::parallel_for(0, weight.size(1), kRowsOfThread,
                   [&](int64_t begin, int64_t end) { functions<c10::BFloat16>().timesWeight(product, begin, end); });
  return result.narrow(0, 0, rank);
}

struct DirectionNormFunction : torch::autograd::Function<DirectionNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& weight, const Tensor& squaredBase, const Tensor& givenA,
                        const Tensor& givenB, double scale, double cancellation, double smallest) {
    const at::AutoDispatchBelowADInplaceOrView below;
    check(weight, squaredBase, givenA, givenB);
    const Tensor a = givenA.contiguous(), b = givenB.contiguous(), base = squaredBase.contiguous();
    const Tensor projected = timesTransposed(weight, a);
    const Tensor turned = at::mm(b, at::mm(a, a.t()));
    Tensor norm = at::empty_like(base), direction;
    bool isWhole = false;
    AT_DISPATCH_FLOATING_TYPES(a.scalar_type(), "bidora::direction_norm", [&] {
      const DirectionTerms<scalar_t> terms{base.const_data_ptr<scalar_t>(),
                                           projected.const_data_ptr<scalar_t>(),
                                           turned.const_data_ptr<scalar_t>(),
                                           b.const_data_ptr<scalar_t>(),
                                           static_cast<scalar_t>(scale),
                                           static_cast<scalar_t>(cancellation),
                                           b.size(0),
                                           b.size(1)};
      isWhole = functions<scalar_t>().directionSquares(terms, norm.data_ptr<scalar_t>());
    });
    // libtorch's root, as for the magnitudes at the start, so that they are equal to the last bit.
    if (isWhole) at::sqrt_(norm);
    else {
      direction = at::add(weight.to(a.scalar_type()), at::mm(b, a), scale);
      norm = at::clamp_min(at::linalg_vector_norm(direction, 2, {1}), smallest);
    }
    context->save_for_backward({weight, a, b, projected, turned, norm, direction});
    context->saved_data["scale"] = scale;
    context->saved_data["smallest"] = smallest;
    return norm;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::direction_norm has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const Tensor &weight = saved[0], &a = saved[1], &b = saved[2], &projected = saved[3], &turned = saved[4],
                 &norm = saved[5], &direction = saved[6];
    const double scale = context->saved_data["scale"].toDouble(), smallest = context->saved_data["smallest"].toDouble();
    const Tensor factor = at::where(at::gt(norm, smallest), at::div(gradients[0], norm), 0).unsqueeze(1);  // [out, 1]
    if (direction.defined()) {
      const Tensor ofDirection = at::mul(direction, factor).mul_(scale);
      return {Tensor(), Tensor(), at::mm(b.t(), ofDirection), at::mm(ofDirection, a.t()), Tensor(), Tensor(), Tensor()};
    }
    const Tensor weighted = at::mul(b, factor).mul_(scale);  // [out, r]
    const Tensor ofA = transposedTimes(weighted, weight).addmm_(at::mm(weighted.t(), b), a, 1, scale);
    const Tensor ofB = at::add(projected, turned, scale).mul_(factor).mul_(scale);
    return {Tensor(), Tensor(), ofA, ofB, Tensor(), Tensor(), Tensor()};
  }
};

Tensor directionNorm(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
                     double cancellation, double smallest) {
  return DirectionNormFunction::apply(weight, squaredBase, a, b, scale, cancellation, smallest);
}

// Terms of opposite signs leave so little of a row that it is measured on V itself.
bool hasCancelled(const Tensor& norm, const Tensor& squaredBase, const Tensor& b, const Tensor& turned, double scale,
                  double cancellation) {
  const Tensor positive = at::add(squaredBase, at::mul(turned, b).sum(1), scale * scale);
  return at::gt(positive.mul_(cancellation), at::mul(norm, norm)).any().item<bool>();
}

// ṅ_i = ⟨v_i, v̇_i⟩ / n_i with V̇ = s·(Ḃ·A + B·Ȧ), from W·[A; Ȧ]ᵀ; 0 for a row of zeros.
Tensor directionNormTangent(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b,
                            double scale, double cancellation, double smallest, const Tensor& norm,
                            const std::optional<Tensor>& aDot, const std::optional<Tensor>& bDot) {
  refuseGradients("bidora::direction_norm_tangent", {weight, squaredBase, a, b, norm});
  check(weight, squaredBase, a, b);
  checkOperands({&norm});
  checkOperands({&aDot, &bDot});
  TORCH_CHECK(norm.dim() == 1 && norm.size(0) == weight.size(0), "expected a norm for each of ", weight.size(0), " rows");
  TORCH_CHECK((!aDot || (aDot->sizes() == a.sizes() && aDot->scalar_type() == a.scalar_type())) &&
                  (!bDot || (bDot->sizes() == b.sizes() && bDot->scalar_type() == b.scalar_type())),
              "expected tangents like A and B, ", a.sizes(), " and ", b.sizes());
  const Tensor turned = at::mm(b, at::mm(a, a.t()));
  Tensor product;  // ⟨v_i, v̇_i⟩ / s
  if (hasCancelled(norm, squaredBase, b, turned, scale, cancellation)) {
    Tensor moved = at::zeros(weight.sizes(), a.options());
    if (bDot) moved.addmm_(*bDot, a);
    if (aDot) moved.addmm_(b, *aDot);
    product = at::add(weight.to(a.scalar_type()), at::mm(b, a), scale).mul_(moved).sum(1);
  } else {
    const int64_t rank = a.size(0);
    const Tensor projected = timesTransposed(weight, aDot ? at::cat({a, *aDot}, 0) : a.contiguous());  // [out, r or 2r]
    product = at::zeros_like(norm);
    if (bDot) product.add_(at::add(projected.narrow(1, 0, rank), turned, scale).mul_(*bDot).sum(1));
    if (aDot)
      product.add_(at::add(projected.narrow(1, rank, rank), at::mm(b, at::mm(a, aDot->t())), scale).mul_(b).sum(1));
  }
  return at::where(at::gt(norm, smallest), at::div(product.mul_(scale), norm), 0);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_norm", [](torch::Library& library) {
  library.def(
      "direction_norm(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, float "
      "smallest) -> Tensor",
      directionNorm);
  library.def(
      "direction_norm_tangent(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, "
      "float smallest, Tensor norm, Tensor? a_dot, Tensor? b_dot) -> Tensor",
      directionNormTangent);
});

}  // namespace
}  // namespace bidora
