#include "weightProducts.h"

#include <ATen/ops/empty.h>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/packed/packedWeight.h"

namespace bidora {

using at::Tensor;

namespace {

constexpr int64_t kRowsOfThread = 48, kColumnsOfThread = 96;

// The weight for products with A and B. A bfloat16 weight is not cast; its products accumulate in float. Rounding A or
// B instead would introduce errors larger than the difference of terms that cancel.
Tensor readable(const Tensor& weight, const Tensor& like) {
  const bool isNarrow = weight.scalar_type() == at::kBFloat16 && like.scalar_type() == at::kFloat,
             isRead = isNarrow || weight.scalar_type() == like.scalar_type();
  if (packedMatrix(weight)) return isRead ? weight : denseWeight(weight).to(like.scalar_type());
  return (isRead ? weight : weight.to(like.scalar_type())).contiguous();
}

template <typename T>
WeightProduct<Stored<T>> productOf(const Tensor& weight, const Tensor& other, int64_t rank, const Tensor& result) {
  const PackedMatrix* packed = packedMatrix(weight);
  return {.weight = {packed ? nullptr : read<T>(weight), weight.size(1)},
          .out = weight.size(0),
          .in = weight.size(1),
          .rank = rank,
          .other = other.const_data_ptr<SumOf<Stored<T>>>(),
          .result = result.data_ptr<SumOf<Stored<T>>>(),
          .packed = packed};
}

}  // namespace

Tensor weightTimesTransposed(const Tensor& given, const Tensor& factor) {
  const Tensor a = factor.contiguous(), weight = readable(given, a),
               result = at::empty({weight.size(0), a.size(0)}, a.options());
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, weight.scalar_type(), "products with a weight", [&] {
    const auto product = productOf<scalar_t>(weight, a, a.size(0), result);
    at::parallel_for(0, at::divup(product.out, kRowsOfThread), 1, [&](int64_t begin, int64_t end) {
      functions<DirectionFunctions, scalar_t>().weightTimes(product, begin * kRowsOfThread,
                                                            std::min(end * kRowsOfThread, product.out));
    });
  });
  return result;
}

Tensor transposedTimesWeight(const Tensor& factor, const Tensor& given) {
  const Tensor x = factor.contiguous(), weight = readable(given, x),
               result = at::empty({x.size(1), weight.size(1)}, x.options());
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, weight.scalar_type(), "products with a weight", [&] {
    const auto product = productOf<scalar_t>(weight, x, x.size(1), result);
    at::parallel_for(0, at::divup(product.in, kColumnsOfThread), 1, [&](int64_t begin, int64_t end) {
      functions<DirectionFunctions, scalar_t>().timesWeight(product, begin * kColumnsOfThread,
                                                            std::min(end * kColumnsOfThread, product.in));
    });
  });
  return result;
}

}  // namespace bidora
