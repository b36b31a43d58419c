// The derivative of a direction's norms (directionNorm.cpp) along tangents of A and B.
#include <ATen/ops/add.h>
#include <ATen/ops/any.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <optional>

#include "kernels/common/registration.h"
#include "kernels/packed/packedWeight.h"
#include "operands.h"
#include "weightProducts.h"

namespace bidora::directionNormTangent {
namespace {

using at::Tensor;

// Whether the terms of some row cancel so much that its norm has to be computed from V itself.
bool hasCancelled(const Tensor& norm, const Tensor& squaredBase, const Tensor& b, const Tensor& bGram, double scale,
                  double cancellation) {
  const Tensor positive = at::add(squaredBase, at::mul(bGram, b).sum(1), scale * scale);
  return at::gt(positive.mul_(cancellation), at::mul(norm, norm)).any().item<bool>();
}

// ṅ_i = ⟨v_i, v̇_i⟩ / n_i with V̇ = s·(Ḃ·A + B·Ȧ), from W·[A; Ȧ]ᵀ; 0 for a row of zeros.
Tensor tangent(const Tensor& weight, const Tensor& squaredBase, const Tensor& a, const Tensor& b, double scale,
               double cancellation, double smallest, const Tensor& norm, const Maybe& aDot, const Maybe& bDot) {
  checkDirection(weight, squaredBase, a, b);
  checkOperands({&norm});
  checkOperands({&aDot, &bDot});
  TORCH_CHECK(norm.dim() == 1 && norm.size(0) == weight.size(0), "expected one norm for each of ", weight.size(0),
              " rows");
  TORCH_CHECK((!aDot || (aDot->sizes() == a.sizes() && aDot->scalar_type() == a.scalar_type())) &&
                  (!bDot || (bDot->sizes() == b.sizes() && bDot->scalar_type() == b.scalar_type())),
              "expected tangents in the shapes of A and B, ", a.sizes(), " and ", b.sizes());
  if (norm.is_meta()) return at::empty_like(norm);
  const Tensor bGram = at::mm(b, at::mm(a, a.t()));
  Tensor product;  // ⟨v_i, v̇_i⟩ / s
  if (hasCancelled(norm, squaredBase, b, bGram, scale, cancellation)) {
    Tensor moved = at::zeros(weight.sizes(), a.options());
    if (bDot) moved.addmm_(*bDot, a);
    if (aDot) moved.addmm_(b, *aDot);
    product = at::add(denseWeight(weight).to(a.scalar_type()), at::mm(b, a), scale).mul_(moved).sum(1);
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

[[maybe_unused]] const bool defined = defineOnce("bidora::direction_norm_tangent", [](OperatorLibrary& library) {
  library.define<tangent, NoDerivative::refuse>(
      "direction_norm_tangent(Tensor weight, Tensor squared_base, Tensor a, Tensor b, float scale, float cancellation, "
      "float smallest, Tensor norm, Tensor? a_dot, Tensor? b_dot) -> Tensor");
});

}  // namespace
}  // namespace bidora::directionNormTangent
