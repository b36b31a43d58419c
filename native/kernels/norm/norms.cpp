#include "norms.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/common/registration.h"

namespace bidora {

using at::Tensor;
using Maybe = std::optional<Tensor>;

NormedRows normedRowsCpu(const Tensor& input, const Maybe& residual, const Tensor& weight, const Maybe& bias,
                         double epsilon, bool isCentered, double p, int64_t seed, int64_t stream) {
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor x = input.contiguous(), before = contiguousOrNone(orNone(residual)), w = weight.contiguous(),
               b = contiguousOrNone(orNone(bias));
  const auto like = [&] { return at::empty(x.sizes(), x.options()); };
  const Tensor out = like(), sum = before.defined() ? like() : Tensor(),
               stats = at::empty({x.size(0), 2}, x.options().dtype(sumType(x)));
  if (x.numel() == 0) {
    stats.zero_();
    return {out, sum, stats};
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{.x = read<scalar_t>(x),
                                      .residual = read<scalar_t>(before),
                                      .weight = read<scalar_t>(w),
                                      .bias = read<scalar_t>(b),
                                      .sum = before.defined() ? write<scalar_t>(sum) : nullptr,
                                      .out = write<scalar_t>(out),
                                      .stats = stats.data_ptr<Sum>(),
                                      .size = x.size(1),
                                      .epsilon = epsilon,
                                      .isCentered = isCentered,
                                      .dropping = dropping};
    forRows<Sum>(x.size(0), x.size(1), [&](int64_t begin, int64_t end, Sum* scratch) {
      functions<NormFunctions, scalar_t>().norm(norm, begin, end, scratch);
    });
  });
  return {out, sum, stats};
}

std::tuple<Tensor, Tensor> normedRowsBackwardCpu(const Tensor& gradient, const Maybe& toSum, const Tensor& sum,
                                                 const Tensor& stats, const Tensor& weight, bool isCentered, double p,
                                                 int64_t seed, int64_t stream) {
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor change = gradient.contiguous(), direct = contiguousOrNone(orNone(toSum)), w = weight.contiguous();
  const Tensor ofSum = at::empty_like(sum), ofX = p > 0 ? at::empty_like(sum) : ofSum;
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
                                              .isCentered = isCentered,
                                              .dropping = dropping};
    forRows<Sum>(sum.size(0), sum.size(1), [&](int64_t begin, int64_t end, Sum* scratch) {
      functions<NormFunctions, scalar_t>().normBackward(norm, begin, end, scratch);
    });
  });
  return {ofX, ofSum};
}

NormedRows normedRowsMeta(const Tensor& x, const Maybe& residual, const Tensor&, const Maybe&, double, bool, double p,
                          int64_t seed, int64_t stream) {
  droppingOf(p, seed, stream);
  const auto like = [&] { return at::empty(x.sizes(), x.options()); };
  return {like(), residual ? like() : Tensor(), at::empty({x.size(0), 2}, x.options().dtype(sumType(x)))};
}

namespace {

std::tuple<Tensor, Tensor> normedRowsBackwardMeta(const Tensor&, const Maybe&, const Tensor& sum, const Tensor&,
                                                  const Tensor&, bool, double, int64_t, int64_t) {
  return {at::empty_like(sum), at::empty_like(sum)};
}

[[maybe_unused]] const bool normDefined = defineOnce("bidora::_norm", [](OperatorLibrary& library) {
  library.define<normedRowsCpu, normedRowsMeta, NoDerivative::refuse>(
      "_norm(Tensor input, Tensor? residual, Tensor weight, Tensor? bias, float eps, bool centered, float p, int seed, "
      "int stream) -> (Tensor out, Tensor sum, Tensor stats)");
  library.define<normedRowsBackwardCpu, normedRowsBackwardMeta, NoDerivative::refuse>(
      "_norm_backward(Tensor grad, Tensor? sum_grad, Tensor sum, Tensor stats, Tensor weight, bool centered, float p, "
      "int seed, int stream) -> (Tensor input_grad, Tensor residual_grad)");
});

}  // namespace
}  // namespace bidora
