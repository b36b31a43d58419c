// LayerNorm(residual + dropout(x)): one pass over each row forward, and one backward. Shapes: N rows of H numbers.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <vector>

#include "dropoutRange.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const Tensor& x, const Tensor& residual, const Tensor& weight, const Tensor& bias, double p) {
  TORCH_CHECK(x.dim() == 2 && residual.sizes() == x.sizes(), "expected an input and a residual of one shape [N, H], got ", x.sizes(), " and ",
              residual.sizes());
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == x.size(1) && bias.sizes() == weight.sizes(), "expected a weight and a bias of [",
              x.size(1), "], got ", weight.sizes(), " and ", bias.sizes());
  for (const Tensor* other : {&residual, &weight, &bias})
    TORCH_CHECK(other->scalar_type() == x.scalar_type(), "expected one dtype, got ", x.scalar_type(), " and ", other->scalar_type());
  TORCH_CHECK(p >= 0 && p <= 1, "expected a dropout between 0 and 1, got ", p);
}

// Mean and 1 / √(variance + ε) of a row.
template <typename Sum>
std::pair<Sum, Sum> statistics(const Sum* row, int64_t size, double epsilon) {
  Sum total = 0, squares = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t d = 0; d < size; ++d) total += row[d];
  const Sum mean = total / size;
#pragma omp simd reduction(+ : squares)
  for (int64_t d = 0; d < size; ++d) squares += (row[d] - mean) * (row[d] - mean);
  return {mean, 1 / std::sqrt(squares / size + static_cast<Sum>(epsilon))};
}

// The gradient of a row of sums: inverse·(g∘weight − mean(g∘weight) − n·mean(g∘weight∘n)), n the normalised row.
template <typename T, typename Sum>
void sumGradient(const T* g, const T* sum, const T* weight, int64_t size, Sum mean, Sum inverse, Sum* row) {
  Sum total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
  for (int64_t d = 0; d < size; ++d) {
    row[d] = static_cast<Sum>(g[d]) * static_cast<Sum>(weight[d]);
    total += row[d];
    along += row[d] * (static_cast<Sum>(sum[d]) - mean);
  }
  const Sum constant = total / size, slope = along * inverse * inverse / size;
  for (int64_t d = 0; d < size; ++d) row[d] = inverse * (row[d] - constant - (static_cast<Sum>(sum[d]) - mean) * slope);
}

// Runs work(row number, room for a row of sums) for all rows, on all threads.
template <typename Sum, typename Work>
void forEachRow(int64_t rows, int64_t size, Work work) {
  at::parallel_for(0, rows, 1 + kGrain / size, [&](int64_t begin, int64_t end) {
    std::vector<Sum> room(size);
    for (int64_t i = begin; i < end; ++i) work(i, room.data());
  });
}

struct Normalised {
  Tensor out;
  Tensor sum;    // [N, H] residual + dropout(x)
  Tensor stats;  // [N, 2] mean and 1 / √(variance + ε)
};

Normalised forward(const Tensor& input, const Tensor& residual, const Tensor& weight, const Tensor& bias, double epsilon,
                   const Dropping& dropping) {
  check(input, residual, weight, bias, dropping.p);
  const Tensor x = input.contiguous(), before = residual.contiguous(), w = weight.contiguous(), b = bias.contiguous();
  const int64_t size = x.size(1);
  const at::ScalarType precise = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Normalised result{at::empty_like(x), at::empty_like(x), at::empty({x.size(0), 2}, x.options().dtype(precise))};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const scalar_t* scale = w.const_data_ptr<scalar_t>();
    const scalar_t* shift = b.const_data_ptr<scalar_t>();
    forEachRow<Sum>(x.size(0), size, [&](int64_t i, Sum* row) {
      const int64_t at = i * size;
      const scalar_t* from = x.const_data_ptr<scalar_t>() + at;
      const scalar_t* beside = before.const_data_ptr<scalar_t>() + at;
      scalar_t* sum = result.sum.data_ptr<scalar_t>() + at;
      scalar_t* out = result.out.data_ptr<scalar_t>() + at;
      if (dropping.isActive()) dropRange(from, row, at, size, dropping);
      else std::copy(from, from + size, row);
      // Rounded before it is normalised: the backward pass sees the same numbers.
      for (int64_t d = 0; d < size; ++d) row[d] += static_cast<Sum>(beside[d]);
      writeNumbers(row, size, sum);
      for (int64_t d = 0; d < size; ++d) row[d] = static_cast<Sum>(sum[d]);
      const auto [mean, inverse] = statistics(row, size, epsilon);
      for (int64_t d = 0; d < size; ++d)
        row[d] = (row[d] - mean) * inverse * static_cast<Sum>(scale[d]) + static_cast<Sum>(shift[d]);
      writeNumbers(row, size, out);
      result.stats.template data_ptr<Sum>()[2 * i] = mean;
      result.stats.template data_ptr<Sum>()[2 * i + 1] = inverse;
    });
  });
  return result;
}

// → the gradients of x and of the residual; one tensor for both where nothing is dropped.
std::pair<Tensor, Tensor> backward(const Tensor& gradient, const Tensor& sum, const Tensor& stats, const Tensor& weight,
                                   const Dropping& dropping) {
  const Tensor change = gradient.contiguous(), w = weight.contiguous();
  const int64_t size = sum.size(1);
  const Tensor ofSum = at::empty_like(sum), ofX = dropping.isActive() ? at::empty_like(sum) : ofSum;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, sum.scalar_type(), "bidora::dropout_add_norm", [&] {
    using Sum = SumOf<scalar_t>;
    const scalar_t* scale = w.const_data_ptr<scalar_t>();
    forEachRow<Sum>(sum.size(0), size, [&](int64_t i, Sum* row) {
      const int64_t at = i * size;
      const scalar_t* g = change.const_data_ptr<scalar_t>() + at;
      const scalar_t* s = sum.const_data_ptr<scalar_t>() + at;
      sumGradient(g, s, scale, size, stats.const_data_ptr<Sum>()[2 * i], stats.const_data_ptr<Sum>()[2 * i + 1], row);
      writeNumbers(row, size, ofSum.data_ptr<scalar_t>() + at);
      if (dropping.isActive()) dropRange(row, ofX.data_ptr<scalar_t>() + at, at, size, dropping);
    });
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

  static Dropping droppingOf(double p, int64_t seed, int64_t stream) {
    return {{static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)}, p};
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
