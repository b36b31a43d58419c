#include "norms.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

namespace bidora {

using at::Tensor;

NormedRows normedRows(const Tensor& input, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                      const NormSettings& settings) {
  const Tensor x = input.contiguous(), before = contiguousOrNone(residual), w = weight.contiguous(),
               b = contiguousOrNone(bias);
  const NormedRows result{at::empty_like(x), before.defined() ? at::empty_like(x) : Tensor(),
                          at::empty({x.size(0), 2}, x.options().dtype(sumType(x)))};
  if (x.numel() == 0) {
    result.stats.zero_();
    return result;
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{.x = read<scalar_t>(x),
                                      .residual = read<scalar_t>(before),
                                      .weight = read<scalar_t>(w),
                                      .bias = read<scalar_t>(b),
                                      .sum = before.defined() ? write<scalar_t>(result.sum) : nullptr,
                                      .out = write<scalar_t>(result.out),
                                      .stats = result.stats.data_ptr<Sum>(),
                                      .size = x.size(1),
                                      .epsilon = settings.epsilon,
                                      .isCentred = settings.isCentred,
                                      .dropping = settings.dropping};
    forRows<Sum>(x.size(0), x.size(1),
                 [&](int64_t begin, int64_t end, Sum* room) { functions<scalar_t>().norm(norm, begin, end, room); });
  });
  return result;
}

std::pair<Tensor, Tensor> normedRowsBackward(const Tensor& gradient, const Tensor& toSum, const Tensor& sum,
                                             const Tensor& stats, const Tensor& weight, const NormSettings& settings) {
  const Tensor change = gradient.contiguous(), direct = contiguousOrNone(toSum), w = weight.contiguous();
  const Tensor ofSum = at::empty_like(sum), ofX = settings.dropping.p > 0 ? at::empty_like(sum) : ofSum;
  if (sum.numel() == 0) return {ofX, ofSum};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, sum.scalar_type(), "bidora::norm", [&] {
    using Sum = SumOf<scalar_t>;
    const NormGradient<Stored<scalar_t>> norm{.gradient = read<scalar_t>(change),
                                              .toSum = read<scalar_t>(direct),
                                              .sum = read<scalar_t>(sum),
                                              .weight = read<scalar_t>(w),
                                              .stats = stats.const_data_ptr<Sum>(),
                                              .ofX = write<scalar_t>(ofX),
                                              .ofSum = write<scalar_t>(ofSum),
                                              .size = sum.size(1),
                                              .isCentred = settings.isCentred,
                                              .dropping = settings.dropping};
    forRows<Sum>(sum.size(0), sum.size(1), [&](int64_t begin, int64_t end, Sum* room) {
      functions<scalar_t>().normBackward(norm, begin, end, room);
    });
  });
  return {ofX, ofSum};
}

}  // namespace bidora
