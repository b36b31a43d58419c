// LayerNorm(residual + dropout(x)): one pass over each row forward, and one backward. Shapes: N rows of H numbers.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias) {
  checkOperands({&x, &residual, &weight, &bias});
  TORCH_CHECK(x.dim() == 2 && residual.sizes() == x.sizes(), "expected an input and a residual of one shape [N, H], got ", x.sizes(), " and ",
              residual.sizes());
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == x.size(1) && bias.sizes() == weight.sizes(), "expected a weight and a bias of [",
              x.size(1), "], got ", weight.sizes(), " and ", bias.sizes());
  for (const Tensor* other : {&residual, &weight, &bias})
    TORCH_CHECK(other->scalar_type() == x.scalar_type(), "expected one dtype, got ", x.scalar_type(), " and ", other->scalar_type());
}

// Runs work(first row, end, room for a row of sums) on all threads.
template <typename Sum, typename Work>
void forRows(int64_t rows, int64_t size, Work work) {
  at::parallel_for(0, rows, 1 + kGrain / size, [&](int64_t begin, int64_t end) {
    std::vector<Sum> room(size);
    work(begin, end, room.data());
  });
}

struct Normalised {
  Tensor out;
  Tensor sum;    // [N, H] residual + dropout(x)
  Tensor stats;  // [N, 2] mean and 1 / √(variance + ε)
};

Normalised forward(const Tensor& input, const Tensor& residual, const Tensor& weight, const Tensor& bias, double epsilon,
                   const Dropping& dropping) {
  check(input, residual, weight, bias);
  const Tensor x = input.contiguous(), before = residual.contiguous(), w = weight.contiguous(), b = bias.contiguous();
  const Normalised result{at::empty_like(x), at::empty_like(x), at::empty({x.size(0), 2}, x.options().dtype(sumType(x)))};
  if (x.numel() == 0) {
    result.stats.zero_();
    return result;
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const Norm<Stored<scalar_t>> norm{read<scalar_t>(x),           read<scalar_t>(before),     read<scalar_t>(w),           read<scalar_t>(b),
                                      write<scalar_t>(result.sum), write<scalar_t>(result.out), result.stats.data_ptr<Sum>(), x.size(1),
                                      epsilon,                     dropping};
    forRows<Sum>(x.size(0), x.size(1), [&](int64_t begin, int64_t end, Sum* room) { functions<scalar_t>().norm(norm, begin, end, room); });
  });
  return result;
}

// → the gradients of x and of the residual; one tensor for both where nothing is dropped.
std::pair<Tensor, Tensor> backward(const Tensor& gradient, const Tensor& sum, const Tensor& stats, const Tensor& weight,
                                   const Dropping& dropping) {
  const Tensor change = gradient.contiguous(), w = weight.contiguous();
  const Tensor ofSum = at::empty_like(sum), ofX = dropping.p > 0 ? at::empty_like(sum) : ofSum;
  if (sum.numel() == 0) return {ofX, ofSum};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, sum.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const NormGradient<Stored<scalar_t>> norm{read<scalar_t>(change), read<scalar_t>(sum),    read<scalar_t>(w), stats.const_data_ptr<Sum>(),
                                              write<scalar_t>(ofX),   write<scalar_t>(ofSum), sum.size(1),       dropping};
    forRows<Sum>(sum.size(0), sum.size(1), [&](int64_t begin, int64_t end, Sum* room) { functions<scalar_t>().normBackward(norm, begin, end, room); });
  });
  return {ofX, ofSum};
}

struct DropoutAddNormFunction : torch::autograd::Function<DropoutAddNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                        double epsilon, double p, int64_t seed, int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const Normalised result = bidora::forward(x, residual, weight, bias, epsilon, droppingOf(p, seed, stream));
    context->save_for_backward({result.sum, result.stats, weight});
    context->saved_data["dropping"] = c10::ivalue::Tuple::create(p, seed, stream);
    return result.out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::dropout_add_norm has no second derivative: use its parts.");
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["dropping"].toTupleRef().elements();
    const Dropping dropping = droppingOf(values[0].toDouble(), values[1].toInt(), values[2].toInt());
    const Tensor &sum = saved[0], &stats = saved[1], &weight = saved[2];
    auto [ofX, ofResidual] = bidora::backward(gradients[0], sum, stats, weight, dropping);
    Tensor ofWeight, ofBias;
    if (context->needs_input_grad(2)) {
      const Tensor normal = sum.to(stats.scalar_type()).sub(stats.narrow(1, 0, 1)).mul_(stats.narrow(1, 1, 1));
      ofWeight = normal.mul(gradients[0]).sum(0).to(weight.scalar_type());
    }
    if (context->needs_input_grad(3)) ofBias = gradients[0].sum(0);
    return {ofX, ofResidual, ofWeight, ofBias, Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor dropoutAddNorm(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias, double epsilon, double p, int64_t seed,
                      int64_t stream) {
  return DropoutAddNormFunction::apply(x, residual, weight, bias, epsilon, p, seed, stream);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout_add_norm", [](torch::Library& library) {
  library.def(
      "dropout_add_norm(Tensor input, Tensor residual, Tensor weight, Tensor bias, float eps, float p=0., int seed=0, int stream=0)"
      " -> Tensor",
      dropoutAddNorm);
});

}  // namespace
}  // namespace bidora
