// The slots that sequences have in a cache of keys or values, and its rows in int8.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace bidora {

// The slots of sequences in a cache.
struct Slots {
  const int64_t* starts;
  std::vector<int64_t> ends;
};

inline void checkSlotsShape(const char* name, const at::Tensor& slots, int64_t count) {
  TORCH_CHECK(slots.scalar_type() == at::kLong && slots.layout() == at::kStrided && slots.dim() == 1 &&
                  slots.is_contiguous() && slots.numel() == count,
              name, ": expected [", count, "] int64, one for each sequence, got ", slots.sizes(), ' ',
              slots.scalar_type());
}

inline Slots slotsIn(const at::Tensor& cache, const int64_t* starts, const int64_t* lengths, int64_t count) {
  Slots slots{starts, std::vector<int64_t>(count)};
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(
        starts[i] >= 0 && lengths[i] >= 0 && starts[i] <= cache.size(0) && lengths[i] <= cache.size(0) - starts[i],
        "expected sequences within the ", cache.size(0), " slots of the cache, got ", lengths[i], " slots from ",
        starts[i], " for sequence ", i);
    slots.ends[i] = starts[i] + lengths[i];
  }
  return slots;
}

// int8 rows [slots, heads · size] with scales [slots, heads].
inline void checkInt8(const char* name, const at::Tensor& codes, const std::optional<at::Tensor>& scales,
                      int64_t heads) {
  TORCH_CHECK(
      codes.scalar_type() == at::kChar && codes.layout() == at::kStrided && codes.dim() == 2 && codes.is_contiguous(),
      name, ": expected contiguous [slots, width] int8, got ", codes.sizes(), ' ', codes.scalar_type());
  TORCH_CHECK(scales && scales->scalar_type() == at::kFloat && scales->layout() == at::kStrided && scales->dim() == 2 &&
                  scales->is_contiguous() && scales->size(0) == codes.size(0) && scales->size(1) == heads,
              name, ": expected contiguous scales [", codes.size(0), ", ", heads, "] float32");
}

}  // namespace bidora
