// Writes keys or values of new tokens into a preallocated cache [slots, width], of their dtype or of int8: the rows of
// sequence i, from cu_seqlens[i] on, to the cache's slots from starts[i] on.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/common/registration.h"
#include "operands.h"
#include "slots.h"

namespace bidora::writeRows {
namespace {

using at::Tensor;

void checkWrite(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkOperands({&cache, &rows});
  TORCH_CHECK(cache.dim() == 2 && rows.dim() == 2 && rows.size(1) == cache.size(1) && cache.is_contiguous() &&
                  rows.scalar_type() == cache.scalar_type(),
              "expected rows of a cache [slots, width], contiguous, in its dtype, got ", rows.sizes(), ' ',
              rows.scalar_type(), " for ", cache.sizes(), ' ', cache.scalar_type());
  checkStartsShape("cu_seqlens", queryStarts);
  checkSlotsShape("starts", starts, queryStarts.numel() - 1);
}

// The slot of each row; none on the meta device.
std::vector<int64_t> slotsOfRows(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts,
                                 const Tensor& starts) {
  if (rows.is_meta()) return {};
  checkStarts("cu_seqlens", queryStarts, rows.size(0));
  const int64_t count = queryStarts.numel() - 1, *from = queryStarts.const_data_ptr<int64_t>();
  std::vector<int64_t> lengths(count), slotOf(rows.size(0));
  for (int64_t i = 0; i < count; ++i) lengths[i] = from[i + 1] - from[i];
  const Slots slots = slotsIn(cache, starts.const_data_ptr<int64_t>(), lengths.data(), count);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t row = from[i]; row < from[i + 1]; ++row) slotOf[row] = slots.starts[i] + row - from[i];
  return slotOf;
}

Tensor writeRows(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkWrite(cache, rows, queryStarts, starts);
  const std::vector<int64_t> slotOf = slotsOfRows(cache, rows, queryStarts, starts);
  if (rows.is_meta()) return cache;
  const Tensor given = inRows(rows);
  const int64_t itemSize = static_cast<int64_t>(cache.element_size()), bytes = cache.size(1) * itemSize;
  auto* to = static_cast<char*>(cache.data_ptr());
  const auto* of = static_cast<const char*>(given.const_data_ptr());
  for (size_t row = 0; row < slotOf.size() && bytes > 0; ++row)
    std::memmove(to + slotOf[row] * bytes, of + static_cast<int64_t>(row) * given.stride(0) * itemSize, bytes);
  cache.unsafeGetTensorImpl()->bump_version();
  return cache;
}

void checkInt8Write(const Tensor& cache, const Tensor& scales, const Tensor& rows, const Tensor& queryStarts,
                    const Tensor& starts) {
  checkOperands({&rows});
  TORCH_CHECK(scales.dim() == 2 && scales.size(1) > 0, "expected scales [slots, heads], got ", scales.sizes());
  checkInt8("self", cache, scales, scales.size(1));
  TORCH_CHECK(rows.dim() == 2 && rows.size(1) == cache.size(1) && cache.size(1) % scales.size(1) == 0,
              "expected rows of a cache [slots, heads · size], got ", rows.sizes(), " for ", cache.sizes(), " of ",
              scales.size(1), " heads");
  checkStartsShape("cu_seqlens", queryStarts);
  checkSlotsShape("starts", starts, queryStarts.numel() - 1);
}

constexpr float kMostCode = 127, kLeastMagnitude = 1e-30F;

// Rounds a head's values to multiples of a scale, their largest magnitude / 127; to 0 if they are all about 0. The
// scale of values that are not all finite is no number.
void encodeHead(const float* from, int64_t size, int8_t* codes, float& scale) {
  float largest = 0;
  bool isFinite = true;
  for (int64_t d = 0; d < size; ++d) {
    largest = std::max(largest, std::abs(from[d]));
    isFinite = isFinite && std::isfinite(from[d]);
  }
  const bool isCoded = isFinite && largest >= kLeastMagnitude;
  scale = isFinite ? (isCoded ? largest / kMostCode : 0) : std::numeric_limits<float>::quiet_NaN();
  for (int64_t d = 0; d < size; ++d) codes[d] = isCoded ? static_cast<int8_t>(std::lrint(from[d] / scale)) : 0;
}

// In int8, with a scale for each row and head.
Tensor writeInt8(const Tensor& cache, const Tensor& scales, const Tensor& rows, const Tensor& queryStarts,
                 const Tensor& starts) {
  checkInt8Write(cache, scales, rows, queryStarts, starts);
  const std::vector<int64_t> slotOf = slotsOfRows(cache, rows, queryStarts, starts);
  if (rows.is_meta()) return cache;
  const Tensor given = rows.to(at::kFloat).contiguous();
  const int64_t heads = scales.size(1), width = cache.size(1), size = width / heads;
  const auto* of = given.const_data_ptr<float>();
  auto* codes = cache.data_ptr<int8_t>();
  auto* to = scales.data_ptr<float>();
  at::parallel_for(0, rows.size(0), std::max<int64_t>(kGrain / std::max<int64_t>(width, 1), 1),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row)
                       for (int64_t head = 0; head < heads; ++head)
                         encodeHead(of + row * width + head * size, size, codes + slotOf[row] * width + head * size,
                                    to[slotOf[row] * heads + head]);
                   });
  cache.unsafeGetTensorImpl()->bump_version();
  scales.unsafeGetTensorImpl()->bump_version();
  return cache;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::write_rows_", [](OperatorLibrary& library) {
  library.define<writeRows, NoDerivative::refuse>(
      "write_rows_(Tensor(a!) self, Tensor rows, Tensor cu_seqlens, Tensor starts) -> Tensor(a!)");
  library.define<writeInt8, NoDerivative::refuse>(
      "write_rows_int8_(Tensor(a!) self, Tensor(b!) scales, Tensor rows, Tensor cu_seqlens, Tensor starts) -> "
      "Tensor(a!)");
});

}  // namespace
}  // namespace bidora::writeRows
