// What dropout_add_norm and its tangents are called with. Shapes: N rows of H numbers.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <vector>

#include "operands.h"

namespace bidora {

struct NormSettings {
  double epsilon;
  bool isCentred;
  Dropping dropping;
};

inline void checkNorm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                      const std::optional<at::Tensor>& bias) {
  checkOperands({&x, &residual, &weight});
  checkOperands({&bias});
  TORCH_CHECK(x.dim() == 2 && residual.sizes() == x.sizes(),
              "expected an input and a residual of one shape [N, H], got ", x.sizes(), " and ", residual.sizes());
  const at::Tensor& offset = bias ? *bias : weight;
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == x.size(1) && offset.sizes() == weight.sizes(),
              "expected a weight and a bias of [", x.size(1), "], got ", weight.sizes(), " and ", offset.sizes());
  for (const at::Tensor* other : {&residual, &weight, &offset})
    TORCH_CHECK(other->scalar_type() == x.scalar_type(), "expected one dtype, got ", x.scalar_type(), " and ",
                other->scalar_type());
}

// Runs work(first row, end, room for so many rows of sums) on all threads.
template <typename Sum, typename Work>
void forRows(int64_t rows, int64_t size, Work work, int64_t rooms = 1) {
  at::parallel_for(0, rows, 1 + kGrain / size, [&](int64_t begin, int64_t end) {
    std::vector<Sum> room(rooms * size);
    work(begin, end, room.data());
  });
}

}  // namespace bidora
