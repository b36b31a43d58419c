// The operands of directions' norms. Shapes: W [out, in], A [r, in], B [out, r], ‖w‖² [out].
#pragma once

#include "kernels/linear/operands.h"

namespace bidora {

inline void checkDirection(const at::Tensor& weight, const at::Tensor& squaredBase, const at::Tensor& a,
                           const at::Tensor& b) {
  checkOperand(squaredBase);
  checkFactors(weight, a, b);
  TORCH_CHECK(squaredBase.dim() == 1 && squaredBase.size(0) == weight.size(0), "expected one squared norm for each of ",
              weight.size(0), " rows");
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.scalar_type() == squaredBase.scalar_type(),
              "expected A, B and the squared norms in the same dtype");
  TORCH_CHECK(!weight.requires_grad(), "expected a frozen weight");
}

}  // namespace bidora
