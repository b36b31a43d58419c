// The external memory reported to V8: the storages that garbage-collected handles keep alive, each counted once.
#pragma once

#include <ATen/core/Tensor.h>

#include <unordered_map>

namespace bidora {

class CollectedMemory {
 public:
  // Returns the change of the total, in bytes.
  int64_t add(double handle, const at::Tensor& tensor) {
    if (!tensor.has_storage() || storageOf_.contains(handle)) return 0;
    const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
    storageOf_.emplace(handle, storage);
    Counted& counted = counted_[storage];
    if (counted.handles++ > 0) return 0;
    counted.bytes = static_cast<int64_t>(tensor.storage().nbytes());
    bytes_ += counted.bytes;
    return counted.bytes;
  }

  int64_t remove(double handle) {
    const auto found = storageOf_.find(handle);
    if (found == storageOf_.end()) return 0;
    const auto counted = counted_.find(found->second);
    storageOf_.erase(found);
    if (--counted->second.handles > 0) return 0;
    const int64_t bytes = counted->second.bytes;
    counted_.erase(counted);
    bytes_ -= bytes;
    return -bytes;
  }

  int64_t bytes() const { return bytes_; }

 private:
  struct Counted {
    size_t handles = 0;
    int64_t bytes = 0;
  };

  int64_t bytes_ = 0;
  std::unordered_map<double, const c10::StorageImpl*> storageOf_;
  std::unordered_map<const c10::StorageImpl*, Counted> counted_;
};

}  // namespace bidora
