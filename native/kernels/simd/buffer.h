// A thread's scratch memory.
#pragma once

#include <cstdlib>

#include "kernels/common/types.h"

namespace bidora::BIDORA_VARIANT {

// Memory that grows but never shrinks, aligned for vectors.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::free(data_); }

  T* need(int64_t count) {
    if (count > capacity_) {
      ::free(data_);
      capacity_ = 0;
      data_ = nullptr;
      data_ = static_cast<T*>(allocateAligned(count * static_cast<int64_t>(sizeof(T))));
      capacity_ = count;
    }
    return data_;
  }

 private:
  T* data_ = nullptr;
  int64_t capacity_ = 0;
};

}  // namespace bidora::BIDORA_VARIANT
