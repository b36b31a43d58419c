#include "groupSum.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <functional>

namespace bidora {

namespace {

using torch::autograd::variable_list;

constexpr int64_t kBucketBytes = 25 << 20;  // as DistributedDataParallel's

// Replaces a leaf's gradient while a backward pass runs.
class GradientHook : public torch::autograd::FunctionPreHook {
 public:
  explicit GradientHook(std::function<at::Tensor(const at::Tensor&)> replace) : replace_(std::move(replace)) {}

  variable_list operator()(const variable_list& gradients) override {
    return {gradients.at(0).defined() ? replace_(gradients[0]) : gradients[0]};
  }

 private:
  std::function<at::Tensor(const at::Tensor&)> replace_;
};

// The leaves' hooks. No other code of this library uses hooks.
class Hooks {
 public:
  explicit Hooks(variable_list leaves) : leaves_(std::move(leaves)) {}
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;
  ~Hooks() {
    for (const at::Tensor& leaf : leaves_) torch::autograd::impl::clear_hooks(leaf);
  }

  void add(size_t index, std::function<at::Tensor(const at::Tensor&)> replace) {
    torch::autograd::impl::add_hook(leaves_[index], std::make_unique<GradientHook>(std::move(replace)));
  }

 private:
  variable_list leaves_;
};

}  // namespace

GroupSum::GroupSum(ProcessGroup& group, std::vector<at::Tensor> likes)
    : group_(group), likes_(std::move(likes)), bucketOf_(likes_.size()), isPut_(likes_.size()) {
  int64_t bytes = kBucketBytes;
  for (size_t i = likes_.size(); i-- > 0;) {
    TORCH_CHECK(likes_[i].scalar_type() == likes_[0].scalar_type(), "the tensors of a sum have different dtypes.");
    const auto own = static_cast<int64_t>(likes_[i].nbytes());
    if (bytes + own > kBucketBytes) {
      buckets_.push_back({.begin = i, .end = i + 1, .missing = 0, .flat = {}});
      bytes = 0;
    }
    bytes += own;
    bucketOf_[i] = buckets_.size() - 1;
    buckets_.back().begin = i;
    ++buckets_.back().missing;
  }
}

std::vector<at::Tensor> GroupSum::gradients(const at::Tensor& output, size_t first) {
  variable_list inputs(likes_.begin() + static_cast<int64_t>(first), likes_.end());
  Hooks hooks(inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    TORCH_CHECK(inputs[i].is_leaf(), "a gradient is sent for leaves only.");
    hooks.add(i, [this, index = first + i](const at::Tensor& gradient) {
      const at::Tensor part = put(index, gradient);
      return gradient.is_cpu() ? part : gradient;
    });
  }
  return torch::autograd::grad({output}, inputs, {}, false, false, true);
}

std::vector<at::Tensor> GroupSum::finish(const std::vector<at::Tensor>& tensors) {
  TORCH_CHECK(tensors.size() == likes_.size(), "a sum has other tensors than it was started with.");
  for (size_t i = tensors.size(); i-- > 0;)
    if (!isPut_[i]) put(i, tensors[i]);
  group_.finish();
  std::vector<at::Tensor> sums;
  sums.reserve(likes_.size());
  for (size_t i = 0; i < likes_.size(); ++i) sums.push_back(partOf(i).to(likes_[i].device()));
  return sums;
}

at::Tensor GroupSum::put(size_t index, const at::Tensor& value) {
  const at::NoGradGuard noGrad;
  TORCH_CHECK(!isPut_[index], "a tensor of a sum comes a second time.");
  Bucket& bucket = buckets_[bucketOf_[index]];
  if (!bucket.flat.defined()) {
    int64_t size = 0;
    for (size_t i = bucket.begin; i < bucket.end; ++i) size += likes_[i].numel();
    bucket.flat = at::empty({size}, likes_[index].options().device(at::kCPU).requires_grad(false));  // Gloo's device
  }
  const at::Tensor part = partOf(index);
  part.copy_(value);
  isPut_[index] = true;
  --bucket.missing;
  for (; started_ < buckets_.size() && buckets_[started_].missing == 0; ++started_)
    group_.startSum(buckets_[started_].flat);
  return part;
}

at::Tensor GroupSum::partOf(size_t index) {
  const Bucket& bucket = buckets_[bucketOf_[index]];
  int64_t begin = 0;
  for (size_t i = bucket.begin; i < index; ++i) begin += likes_[i].numel();
  return bucket.flat.narrow(0, begin, likes_[index].numel()).view(likes_[index].sizes());
}

}  // namespace bidora
