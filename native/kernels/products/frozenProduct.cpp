#include "frozenProduct.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <string>
#include <vector>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/linear/functions.h"
#include "kernels/packed/packedWeight.h"
#include "ownProduct.h"

namespace bidora {
namespace {

using at::Tensor;

constexpr int64_t kBlockOfRows = 64;        // rows per thread
constexpr int64_t kDecodedBytes = 4 << 20;  // of a packed weight that exist at a time where no product decodes it

// Calls use(first, count) for pieces of `count` rows or columns of this size.
template <typename Use>
void forPieces(int64_t all, int64_t bytes, Use use) {
  const int64_t some = std::max<int64_t>(kDecodedBytes / std::max<int64_t>(bytes, 1) / kPanel * kPanel, kPanel);
  for (int64_t first = 0; first < all; first += some) use(first, std::min(some, all - first));
}

Tensor packedProduct(const Tensor& x, const FrozenWeight& weight, const Tensor& bias) {
  static const auto operation = c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "");
  std::vector<c10::IValue> stack{x,
                                 weight.packed,
                                 bias.defined() ? c10::IValue(bias) : c10::IValue(),
                                 "none",
                                 c10::List<std::optional<at::Scalar>>(),
                                 std::string()};
  operation.callBoxed(&stack);
  return stack[0].toTensor();
}

Tensor libraryProduct(const Tensor& x, const FrozenWeight& weight, const Tensor& bias) {
  if (weight.packed.defined()) return packedProduct(x, weight, bias);
  const auto maybeBias = [&](int64_t first, int64_t count) {
    return bias.defined() ? std::optional(bias.narrow(0, first, count)) : std::nullopt;
  };
  const int64_t rows = weight.plain.size(0);
  if (!packedMatrix(weight.plain)) return at::linear(x, weight.plain, maybeBias(0, rows));
  const Tensor product = at::empty({x.size(0), rows}, x.options());
  forPieces(rows, x.size(1) * x.element_size(), [&](int64_t first, int64_t count) {
    product.narrow(1, first, count)
        .copy_(at::linear(x, denseRows(weight.plain, first, count), maybeBias(first, count)));
  });
  return product;
}

Tensor transposedLibraryProduct(const Tensor& x, const Tensor& weight) {
  if (!packedMatrix(weight)) return at::mm(x, weight);
  const Tensor product = at::empty({x.size(0), weight.size(1)}, x.options());
  forPieces(weight.size(1), weight.size(0) * x.element_size(), [&](int64_t first, int64_t count) {
    product.narrow(1, first, count).copy_(at::mm(x, denseColumns(weight, first, count)));
  });
  return product;
}

}  // namespace

void checkPacked(const Maybe& packed, const Tensor& weight) {
  TORCH_CHECK(!packed || (packed->is_mkldnn() && packed->sizes() == weight.sizes() &&
                          packed->scalar_type() == weight.scalar_type()),
              "expected a packed copy of the weight, ", weight.sizes(), " ", weight.scalar_type());
}

void applyGain(const Tensor& y, const Epilogue& epilogue) {
  const Tensor bias = contiguousOrNone(epilogue.bias);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, y.scalar_type(), "bidora::frozen_product", [&] {
    const Gain<Stored<scalar_t>> by{read<scalar_t>(bias), read<SumOf<scalar_t>>(epilogue.gain), y.size(1)};
    auto* rows = write<scalar_t>(y);
    at::parallel_for(0, y.size(0), kBlockOfRows, [&](int64_t begin, int64_t end) {
      functions<GainFunctions, scalar_t>().applyGain(by, rows + begin * by.columns, end - begin);
    });
  });
}

Tensor frozenProduct(const Tensor& x, const FrozenWeight& weight, const LowRankTerm& lowRank,
                     const Epilogue& epilogue) {
  if (isIntegerProduct(x, weight.plain) || hasOwnProduct(weight.plain, false))
    return ownProduct(x, weight.plain, false, lowRank, epilogue, 1);
  const Tensor product = libraryProduct(x, weight, epilogue.bias);
  if (lowRank.low.defined()) product.addmm_(lowRank.low, lowRank.factor.t());
  if (epilogue.gain.defined()) applyGain(product, epilogue);
  return product;
}

Tensor transposedProduct(const Tensor& x, const Tensor& weight, const LowRankTerm& lowRank) {
  if (hasOwnProduct(weight, true)) return ownProduct(x, weight, true, lowRank, {}, 1);
  const Tensor product = transposedLibraryProduct(x, weight);
  return lowRank.low.defined() ? product.addmm_(lowRank.low, lowRank.factor) : product;
}

Tensor thinProduct(const Tensor& x, const Tensor& factor, bool isTransposed, double scale) {
  if (hasOwnProduct(factor, isTransposed)) return ownProduct(x, factor, isTransposed, {}, {}, scale);
  const Tensor product = isTransposed ? at::mm(x, factor) : at::linear(x, factor);
  return scale == 1 ? product : product.mul_(scale);
}

}  // namespace bidora
