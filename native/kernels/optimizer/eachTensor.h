// A pass over many tensors, most of them small.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "kernels/common/operands.h"

namespace bidora {

constexpr int64_t kLargeTensor = 1 << 18;  // tensors of at least this size are computed by all threads

inline void checkAll(at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) checkOperand(tensor);
}

inline bool onMeta(at::TensorList tensors) { return !tensors.empty() && tensors[0].is_meta(); }

// A tensor, or a copy of it in row-major order, which is put back after a change.
class RowMajor {
 public:
  explicit RowMajor(const at::Tensor& tensor) : own(tensor.contiguous()), tensor_(tensor) {}
  void putBack() const {
    if (!own.is_same(tensor_)) tensor_.copy_(own);
  }

  const at::Tensor own;

 private:
  const at::Tensor& tensor_;
};

// Below autograd, nothing else increments the versions.
inline void bumpVersions(std::initializer_list<at::TensorList> lists) {
  for (const at::TensorList list : lists)
    for (const at::Tensor& tensor : list) tensor.unsafeGetTensorImpl()->bump_version();
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
