// The operands of norms and of their tangents. Shapes: [N, H].
#pragma once

#include <vector>

#include "functions.h"
#include "kernels/common/operands.h"

namespace bidora {

struct NormSettings {
  double epsilon;
  bool isCentered;
  Dropping dropping;
};

// Checks a weight and an optional bias [H] for x of [..., H].
inline void checkNormWeights(const at::Tensor& x, const at::Tensor& weight, const Maybe& bias) {
  checkOperands({&x, &weight});
  checkOperands({&bias});
  TORCH_CHECK(x.dim() > 0, "expected rows, got a scalar");
  const at::Tensor& offset = bias ? *bias : weight;
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == x.size(-1) && offset.sizes() == weight.sizes(),
              "expected a weight and a bias of [", x.size(-1), "], got ", weight.sizes(), " and ", offset.sizes());
  for (const at::Tensor* other : {&weight, &offset})
    TORCH_CHECK(other->scalar_type() == x.scalar_type(), "expected one dtype, got ", x.scalar_type(), " and ",
                other->scalar_type());
}

inline void checkNorm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight, const Maybe& bias) {
  checkOperands({&x, &residual});
  TORCH_CHECK(x.dim() == 2 && residual.sizes() == x.sizes(),
              "expected an input and a residual of the same shape [N, H], got ", x.sizes(), " and ", residual.sizes());
  TORCH_CHECK(residual.scalar_type() == x.scalar_type(), "expected one dtype, got ", x.scalar_type(), " and ",
              residual.scalar_type());
  checkNormWeights(x, weight, bias);
}

// Runs work(first row, end, scratch) on all threads; `scratch` holds `scratchRows` rows in the accumulation type.
template <typename Sum, typename Work>
void forRows(int64_t rows, int64_t size, Work work, int64_t scratchRows = 1) {
  at::parallel_for(0, rows, 1 + kGrain / size, [&](int64_t begin, int64_t end) {
    std::vector<Sum> scratch(scratchRows * size);
    work(begin, end, scratch.data());
  });
}

}  // namespace bidora
