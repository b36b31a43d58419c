// A pass over many tensors, most of them small.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

#include "kernels/common/operands.h"

namespace bidora {

constexpr int64_t kLargeTensor = 1 << 18;  // tensors of at least this size are computed by all threads

inline void checkAll(at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) checkOperand(tensor);
}

// The first tensor of each thread's share, balanced by size; large tensors are not counted.
inline std::vector<size_t> sharesOf(at::TensorList tensors) {
  int64_t total = 0, taken = 0;
  for (const at::Tensor& tensor : tensors) total += tensor.numel() < kLargeTensor ? tensor.numel() : 0;
  const int64_t count = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), total / kGrain));
  std::vector<size_t> starts{0};
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (taken >= total * static_cast<int64_t>(starts.size()) / count && static_cast<int64_t>(starts.size()) < count)
      starts.push_back(i);
    taken += tensors[i].numel() < kLargeTensor ? tensors[i].numel() : 0;
  }
  starts.push_back(tensors.size());
  return starts;
}

// Calls `change` with each tensor's index: small tensors in parallel, then large ones one by one.
template <typename Change>
void forEachTensor(at::TensorList tensors, Change change) {
  const std::vector<size_t> starts = sharesOf(tensors);
  at::parallel_for(0, static_cast<int64_t>(starts.size()) - 1, 1, [&](int64_t begin, int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView below;
    for (size_t i = starts[begin]; i < starts[end]; ++i)
      if (tensors[i].numel() < kLargeTensor) change(i);
  });
  const at::AutoDispatchBelowADInplaceOrView below;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].numel() >= kLargeTensor) change(i);
}

}  // namespace bidora
