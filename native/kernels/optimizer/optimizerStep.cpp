// The parts of an optimizer step over many tensors, most of them small, each as one parallel pass.
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "eachTensor.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"

namespace bidora::optimizerStep {
namespace {

using at::Tensor;
using at::TensorList;

constexpr int64_t kBlock = 1 << 13;  // elements per partial sum, whatever the number of threads

struct Block {
  size_t tensor;
  int64_t start, count;
};

template <typename T>
double sumOfSquares(const T* numbers, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const auto number = static_cast<double>(numbers[i]);
    sum += number * number;
  }
  return sum;
}

double sumOf(const Tensor& tensor, const Block& block) {
  return AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, tensor.scalar_type(), "bidora::total_norm", [&] {
    return sumOfSquares(tensor.const_data_ptr<scalar_t>() + block.start, block.count);
  });
}

// The norm of all tensors' elements together: a scalar in double.
Tensor totalNorm(TensorList given) {
  checkAll(given);
  if (onMeta(given)) return at::empty({}, given[0].options().dtype(at::kDouble));
  const at::AutoDispatchBelowADInplaceOrView below;
  std::vector<Tensor> tensors;
  std::vector<Block> blocks;
  for (const Tensor& tensor : given) {
    for (int64_t start = 0; start < tensor.numel(); start += kBlock)
      blocks.push_back({tensors.size(), start, std::min(kBlock, tensor.numel() - start)});
    tensors.push_back(tensor.contiguous());
  }
  std::vector<double> sums(blocks.size());
  at::parallel_for(0, static_cast<int64_t>(blocks.size()), kGrain / kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = sumOf(tensors[blocks[i].tensor], blocks[i]);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return at::scalar_tensor(std::sqrt(total), at::kDouble);
}

// New tensors.
std::vector<Tensor> scaled(TensorList tensors, double factor) {
  checkAll(tensors);
  std::vector<Tensor> results(tensors.size());
  forEachTensor(tensors, [&](size_t i) { results[i] = at::mul(tensors[i], factor); });
  return results;
}

void checkStep(TensorList tensors, TensorList gradients, TensorList means, TensorList meanSquares, int64_t step) {
  for (const TensorList list : {tensors, gradients, means, meanSquares}) {
    TORCH_CHECK(list.size() == tensors.size(), "expected as many gradients and moments as tensors, ", tensors.size(),
                ", got ", list.size());
    checkAll(list);
    for (size_t i = 0; i < list.size(); ++i)
      TORCH_CHECK(list[i].sizes() == tensors[i].sizes() && list[i].scalar_type() == tensors[i].scalar_type(),
                  "expected gradients and moments of the tensor's dtype and shape, ", tensors[i].scalar_type(), " of ",
                  tensors[i].sizes(), ", got ", list[i].scalar_type(), " of ", list[i].sizes());
  }
  TORCH_CHECK(step >= 1, "expected a step number of at least 1, got ", step);
}

void adamw(TensorList tensors, TensorList gradients, TensorList means, TensorList meanSquares, int64_t step, double lr,
           double beta1, double beta2, double weightDecay, double epsilon) {
  checkStep(tensors, gradients, means, meanSquares, step);
  if (onMeta(tensors)) return;
  const Tensor count = at::scalar_tensor(static_cast<double>(step), at::kFloat);
  forEachTensor(tensors, [&](size_t i) {
    // libtorch's own step ignores strides.
    const RowMajor tensor(tensors[i]), mean(means[i]), meanSquare(meanSquares[i]);
    at::_fused_adamw_({tensor.own}, {gradients[i].contiguous()}, {mean.own}, {meanSquare.own}, {}, {count}, lr, beta1,
                      beta2, weightDecay, epsilon, false, false);
    for (const RowMajor* changed : {&tensor, &mean, &meanSquare}) changed->putBack();
  });
  bumpVersions({tensors, means, meanSquares});
}

[[maybe_unused]] const bool defined = defineOnce("bidora::total_norm", [](OperatorLibrary& library) {
  library.define<totalNorm, NoDerivative::ignore>("total_norm(Tensor[] values) -> Tensor");
  library.define<scaled, NoDerivative::ignore>("scaled(Tensor[] values, float factor) -> Tensor[]");
  library.define<adamw, NoDerivative::ignore>(
      "adamw_(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] means, Tensor(c!)[] mean_squares, int step, *, "
      "float lr, float beta1, float beta2, float weight_decay, float epsilon) -> ()");
  for (const char* name : {"total_norm", "scaled", "adamw_"}) library.allowEmptyLists(name);
});

}  // namespace
}  // namespace bidora::optimizerStep
