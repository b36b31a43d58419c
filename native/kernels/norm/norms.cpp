// LayerNorm and RMSNorm of rows, and of residual + dropout(x), forward and backward, in one pass over each row. Shapes:
// x [..., H], N rows in all; with a residual [N, H].
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>

#include "kernels/common/differentiable.h"
#include "operands.h"

namespace bidora::norms {
namespace {

using at::Tensor;

// [N, H] each; stats [N, 2]: mean and 1 / √(variance + ε).
using NormedRows = std::tuple<Tensor /* out */, Tensor /* sum */, Tensor /* stats */>;

// x, residual: [N, H]. Without a residual there is no dropout, and the sum is undefined.
NormedRows normedRows(const Tensor& input, const Maybe& residual, const Tensor& weight, const Maybe& bias,
                      double epsilon, bool isCentered, double p, int64_t seed, int64_t stream) {
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor x = input.contiguous(), before = contiguousOrNone(orNone(residual)), w = weight.contiguous(),
               b = contiguousOrNone(orNone(bias));
  const Tensor out = emptyLike(x), sum = before.defined() ? emptyLike(x) : Tensor(),
               stats = at::empty({x.size(0), 2}, x.options().dtype(sumType(x)));
  if (!isComputed(out)) return {out, sum, stats.zero_()};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{.x = read<scalar_t>(x),
                                      .residual = read<scalar_t>(before),
                                      .weight = read<scalar_t>(w),
                                      .bias = read<scalar_t>(b),
                                      .sum = write<scalar_t>(sum),
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

// The gradients of x and of the residual from those of the normalized rows and of the sums, which may be missing;
// without dropout, both are the same tensor. sum: the normalization's input.
std::tuple<Tensor, Tensor> normedRowsBackward(const Tensor& gradient, const Maybe& toSum, const Tensor& sum,
                                              const Tensor& stats, const Tensor& weight, bool isCentered, double p,
                                              int64_t seed, int64_t stream) {
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor change = gradient.contiguous(), direct = contiguousOrNone(orNone(toSum)), w = weight.contiguous();
  const Tensor ofSum = at::empty_like(sum), ofX = p > 0 ? at::empty_like(sum) : ofSum;
  if (!isComputed(ofSum)) return {ofX, ofSum};
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

// Σ over rows of g∘n, with n the normalized rows. x, g: [N, H]
Tensor normWeightGradient(const Tensor& x, const Tensor& stats, const Tensor& g) {
  const Tensor normal = x.to(stats.scalar_type()).sub(stats.narrow(1, 0, 1)).mul_(stats.narrow(1, 1, 1));
  return normal.mul_(g).sum(0).to(g.scalar_type());
}

// The gradients of x and of the weight, by operators with derivatives of any order. x, gradient: [N, H]
std::pair<Tensor, Tensor> plainBackward(const Tensor& gradient, const Tensor& x, const Tensor& weight, double epsilon,
                                        bool isCentered) {
  const auto type = sumType(x);
  const Tensor wide = x.to(type), g = gradient.to(type), centered = isCentered ? wide - wide.mean(1, true) : wide;
  const Tensor inverse = (centered.square().mean(1, true) + epsilon).rsqrt(), n = centered * inverse;
  const Tensor a = g * weight.to(type), core = a - n * (a * n).mean(1, true);
  const Tensor ofX = inverse * (isCentered ? core - a.mean(1, true) : core);
  return {ofX.to(x.scalar_type()), (g * n).sum(0).to(weight.scalar_type())};
}

// [..., H] → [N, H]
Tensor asRows(const Tensor& x) {
  if (x.dim() == 2) return x;
  const int64_t size = x.size(-1), rows = size > 0 ? x.numel() / size : 0;
  return x.reshape({rows, size});
}

struct RowNorm {
  struct Saved {
    Tensor x, weight, stats;
    double epsilon;
    bool isCentered;
    std::vector<Tensor*> tensors() { return {&x, &weight, &stats}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, const Tensor& weight, const Maybe& bias, double epsilon,
                                        bool isCentered) {
    checkNormWeights(x, weight, bias);
    const auto [out, sum, stats] = callKernel<normedRows>("bidora::_norm", asRows(x), Maybe(), weight, bias, epsilon,
                                                          isCentered, 0., int64_t{0}, int64_t{0});
    return {out.view(x.sizes()), {x, weight, stats, epsilon, isCentered}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs& needs) {
    const auto& [x, weight, stats, epsilon, isCentered] = saved;
    const auto inRows = [rows = stats.size(0), size = x.size(-1)](const Tensor& tensor) {
      return tensor.reshape({rows, size});
    };
    const Tensor& gradient = gradients[0];
    Tensor ofX, ofWeight;
    if (at::GradMode::is_enabled()) {
      std::tie(ofX, ofWeight) = plainBackward(inRows(gradient), inRows(x), weight, epsilon, isCentered);
    } else {
      if (needs[0])
        ofX = std::get<0>(callKernel<normedRowsBackward>("bidora::_norm_backward", inRows(gradient), Maybe(),
                                                         inRows(x).contiguous(), stats, weight, isCentered, 0.,
                                                         int64_t{0}, int64_t{0}));
      if (needs[1]) ofWeight = normWeightGradient(inRows(x), stats, inRows(gradient));
    }
    return {ofX.defined() ? ofX.view(x.sizes()) : ofX, ofWeight, needs[2] ? inRows(gradient).sum(0) : Tensor()};
  }
};

struct DropoutAddNorm {
  static constexpr bool kMayLackGradients = true;
  struct Saved {
    Tensor sum, stats, weight;
    bool isCentered;
    double p;
    int64_t seed, stream;
    std::vector<Tensor*> tensors() { return {&sum, &stats, &weight}; }
  };

  static Forward<std::tuple<Tensor, Tensor>, Saved> forward(const Tensor& x, const Tensor& residual,
                                                            const Tensor& weight, const Maybe& bias, double epsilon,
                                                            bool isCentered, double p, int64_t seed, int64_t stream) {
    checkNorm(x, residual, weight, bias);
    const auto [out, sum, stats] =
        callKernel<normedRows>("bidora::_norm", x, Maybe(residual), weight, bias, epsilon, isCentered, p, seed, stream);
    return {{out, sum}, {sum, stats, weight, isCentered, p, seed, stream}};
  }

  static variable_list backward(const Saved& of, const variable_list& gradients, const Needs& needs) {
    refuseSecondDerivative("dropout_add_norm", "dropout, add and row_norm");
    const Tensor change = gradients[0].defined() ? gradients[0] : at::zeros_like(of.sum);
    const auto [ofX, ofResidual] =
        callKernel<normedRowsBackward>("bidora::_norm_backward", change, ifDefined(gradients[1]), of.sum, of.stats,
                                       of.weight, of.isCentered, of.p, of.seed, of.stream);
    return {ofX, ofResidual, needs[2] ? normWeightGradient(of.sum, of.stats, change) : Tensor(),
            needs[3] ? change.sum(0) : Tensor()};
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::_norm", [](OperatorLibrary& library) {
  library.define<normedRows, NoDerivative::refuse>(
      "_norm(Tensor input, Tensor? residual, Tensor weight, Tensor? bias, float eps, bool centered, float p, int seed, "
      "int stream) -> (Tensor out, Tensor sum, Tensor stats)");
  library.define<normedRowsBackward, NoDerivative::refuse>(
      "_norm_backward(Tensor grad, Tensor? sum_grad, Tensor sum, Tensor stats, Tensor weight, bool centered, float p, "
      "int seed, int stream) -> (Tensor input_grad, Tensor residual_grad)");
  defineDifferentiable<RowNorm>(
      library, "row_norm(Tensor input, Tensor weight, Tensor? bias, float eps, *, bool centered=True) -> Tensor");
  defineDifferentiable<DropoutAddNorm>(
      library,
      "dropout_add_norm(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, *, bool centered=True, "
      "float p=0., int seed=0, int stream=0) -> (Tensor normed, Tensor sum)");
});

}  // namespace
}  // namespace bidora::norms
