// A sum over all ranks that starts while its tensors are still being computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "processGroup.h"

namespace bidora {

// The tensors are copied into flat buckets, from the last tensor to the first, because a backward pass reaches the last
// layer first. Every rank has the same buckets and starts them in the same order, each as soon as its tensors are
// there, whatever the order in which these come.
class GroupSum {
 public:
  // likes: tensors of the shapes, dtype and devices of those that are summed.
  GroupSum(ProcessGroup& group, std::vector<at::Tensor> likes);

  // The gradients of a tensor with respect to likes from an index on, which must be leaves; undefined where it does not
  // depend on one. They are part of the sum, and on the CPU they already share its memory.
  std::vector<at::Tensor> gradients(const at::Tensor& output, size_t first);

  // Adds the tensors that have not come yet, and waits. Returns the sums.
  std::vector<at::Tensor> finish(const std::vector<at::Tensor>& tensors);

 private:
  struct Bucket {
    size_t begin, end;  // of its tensors
    size_t missing;
    at::Tensor flat;
  };

  at::Tensor put(size_t index, const at::Tensor& value);
  at::Tensor partOf(size_t index);

  ProcessGroup& group_;
  std::vector<at::Tensor> likes_;
  std::vector<size_t> bucketOf_;
  std::vector<bool> isPut_;
  std::vector<Bucket> buckets_;
  size_t started_ = 0;
};

}  // namespace bidora
