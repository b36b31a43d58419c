// The operands of a linear layer's operators. Shapes: x [N, in], W [out, in], bias [out], A [r, in], B [out, r].
#pragma once

#include "kernels/common/operands.h"
#include "kernels/packed/packedWeight.h"

namespace bidora {

inline void checkLayer(const at::Tensor& x, const at::Tensor& weight, const Maybe& bias) {
  checkOperand(x);
  checkWeight(weight);
  checkOperands({&bias});
  TORCH_CHECK(x.dim() >= 1 && weight.dim() == 2 && x.size(-1) == weight.size(1),
              "expected an input of [N, in] and a weight of [out, in], got ", x.sizes(), " and ", weight.sizes());
  TORCH_CHECK(weight.scalar_type() == x.scalar_type() && (!bias || bias->scalar_type() == x.scalar_type()),
              "expected weight and bias in the input's dtype, ", x.scalar_type());
}

inline void checkFactors(const at::Tensor& weight, const at::Tensor& a, const at::Tensor& b) {
  checkWeight(weight);
  checkOperands({&a, &b});
  TORCH_CHECK(weight.dim() == 2 && a.dim() == 2 && b.dim() == 2 && a.size(1) == weight.size(1) &&
                  b.size(0) == weight.size(0) && b.size(1) == a.size(0),
              "expected A of [r, in] and B of [out, r] for a weight of ", weight.sizes(), ", got ", a.sizes(), " and ",
              b.sizes());
}

inline bool isOfOutputs(const Maybe& vector, const at::Tensor& weight) {
  return !vector || (vector->dim() == 1 && vector->size(0) == weight.size(0));
}

}  // namespace bidora
