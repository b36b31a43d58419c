// Attention for generation: the queries of new tokens attend to keys and values in a preallocated cache, which are read
// in place. Another operator writes new keys and values to the cache. Shapes: queries [N, H·D] of all sequences; a
// cache [slots, G·D], in which sequence i has the slots starts[i] … starts[i] + lengths[i] − 1. A sequence's last query
// has the position of its last key.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::attentionCached {
namespace {

using at::Tensor;

constexpr int64_t kBytesOfThread =
    1 << 18;                          // keys and values per thread; reading them takes longer than waking a thread
constexpr int64_t kKeysOfPart = 256;  // fewer keys are not split

// The slots of sequences in a cache.
struct Slots {
  const int64_t* starts;
  std::vector<int64_t> ends;
};

void checkSlotsShape(const char* name, const Tensor& slots, int64_t count) {
  TORCH_CHECK(slots.scalar_type() == at::kLong && slots.layout() == at::kStrided && slots.dim() == 1 &&
                  slots.is_contiguous() && slots.numel() == count,
              name, ": expected [", count, "] int64, one for each sequence, got ", slots.sizes(), ' ',
              slots.scalar_type());
}

Slots slotsIn(const Tensor& cache, const int64_t* starts, const int64_t* lengths, int64_t count) {
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

void checkShapes(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts, const Tensor& keyStarts,
                 const Tensor& keyLengths, int64_t heads, int64_t kvHeads, std::optional<double> scale,
                 std::optional<int64_t> before) {
  checkOperands({&q, &k, &v});
  checkHeads(q, k, v, heads, kvHeads);
  checkStartsShape("cu_seqlens_q", queryStarts);
  checkSlotsShape("key_starts", keyStarts, queryStarts.numel() - 1);
  checkSlotsShape("key_lengths", keyLengths, queryStarts.numel() - 1);
  TORCH_CHECK(before.value_or(0) >= 0, "expected `before` to be at least 0, got ", before.value_or(0));
  TORCH_CHECK(scale.value_or(1) > 0, "expected a positive scale, got ", scale.value_or(1));
}

// The number of threads worth using to read the keys.
int64_t threadsFor(const Tensor& k, const Slots& slots) {
  int64_t keys = 0;
  for (size_t i = 0; i < slots.ends.size(); ++i) keys += slots.ends[i] - slots.starts[i];
  const int64_t bytes = 2 * keys * k.size(1) * static_cast<int64_t>(k.element_size());
  return std::clamp<int64_t>(bytes / kBytesOfThread, 1, at::get_num_threads());
}

template <typename Work>
void onThreads(int64_t threads, Work work) {
  int64_t next = 0;
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) { work(next); });
}

// If there are fewer groups of heads than threads, keys and head elements are split among the threads.
template <typename T>
bool attendInSteps(const AttentionShape& shape, const AttentionInputs<Stored<T>>& inputs, Rows<Stored<T>> out,
                   int64_t threads) {
  using Sum = SumOf<Stored<T>>;
  const auto& variant = functions<AttentionFunctions, T>();
  int64_t longest = 0;
  for (int64_t row = 0; row < shape.rows; ++row) longest = std::max(longest, shape.keyEnds[row] - shape.keyStarts[row]);
  const int64_t parts = std::min(4 * threads / (shape.rows * shape.kvHeads), longest / kKeysOfPart);
  if (threads < 2 || parts < 2 || !variant.attendsInSteps || !variant.attendsInSteps(shape, inputs)) return false;
  std::vector<int64_t> slots(shape.rows);
  int64_t size = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    slots[row] = size;
    const int64_t keys = shape.keyEnds[row] - shape.keyStarts[row];
    size += shape.heads * (shape.queryStarts[row + 1] - shape.queryStarts[row]) * (keys + 2 * kWidth);
  }
  const Tensor memory = at::empty({size}, at::TensorOptions(c10::CppTypeToScalarType<Sum>::value));
  const SharedKeys<Sum> shared{memory.mutable_data_ptr<Sum>(), slots.data(), parts};
  for (const KeyStep step : {KeyStep::score, KeyStep::weigh, KeyStep::mix})
    onThreads(threads, [&](int64_t& next) { variant.attendStep(shape, inputs, out, shared, step, next); });
  return true;
}

Tensor attentionCpu(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& queryStarts,
                    const Tensor& keyStarts, const Tensor& keyLengths, int64_t heads, int64_t kvHeads,
                    std::optional<double> scale, std::optional<int64_t> before) {
  checkShapes(query, key, value, queryStarts, keyStarts, keyLengths, heads, kvHeads, scale, before);
  checkStarts("cu_seqlens_q", queryStarts, query.size(0));
  const int64_t rows = queryStarts.numel() - 1, size = query.size(1) / heads;
  const int64_t *starts = keyStarts.const_data_ptr<int64_t>(), *lengths = keyLengths.const_data_ptr<int64_t>(),
                *queries = queryStarts.const_data_ptr<int64_t>();
  const Slots slots = slotsIn(key, starts, lengths, rows);
  for (int64_t row = 0; row < rows; ++row)
    TORCH_CHECK(queries[row + 1] - queries[row] <= lengths[row], "expected at least as many keys as queries, got ",
                lengths[row], " keys and ", queries[row + 1] - queries[row], " queries in sequence ", row);
  const Tensor out = at::empty(query.sizes(), query.options());
  if (query.numel() == 0) return out;
  const Tensor q = readable(query), k = readable(key), v = readable(value);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention_cached", [&] {
    const AttentionShape shape{.queryStarts = queries,
                               .keyStarts = starts,
                               .keyEnds = slots.ends.data(),
                               .rows = rows,
                               .heads = heads,
                               .kvHeads = kvHeads,
                               .size = size,
                               .before = std::min(before.value_or(kUnlimited), kUnlimited),
                               .after = 0,
                               .scale = scale.value_or(1 / std::sqrt(static_cast<double>(size))),
                               .dropping = {}};
    const AttentionInputs<Stored<scalar_t>> inputs{rowsOf<scalar_t>(q), rowsOf<scalar_t>(k), rowsOf<scalar_t>(v)};
    const Rows<Stored<scalar_t>> to = writableRows<scalar_t>(out);
    const int64_t threads = threadsFor(k, slots);
    if (attendInSteps<scalar_t>(shape, inputs, to, threads)) return;
    const Tensor logSums = at::empty({heads, q.size(0)}, q.options().dtype(sumType(q)));
    auto* sums = logSums.mutable_data_ptr<SumOf<scalar_t>>();
    onThreads(threads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendCached(shape, inputs, to, sums, next);
    });
  });
  return out;
}

Tensor attentionMeta(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& queryStarts,
                     const Tensor& keyStarts, const Tensor& keyLengths, int64_t heads, int64_t kvHeads,
                     std::optional<double> scale, std::optional<int64_t> before) {
  checkShapes(query, key, value, queryStarts, keyStarts, keyLengths, heads, kvHeads, scale, before);
  return at::empty(query.sizes(), query.options());
}

void checkWrite(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkOperands({&cache, &rows});
  TORCH_CHECK(cache.dim() == 2 && rows.dim() == 2 && rows.size(1) == cache.size(1) && cache.is_contiguous() &&
                  rows.scalar_type() == cache.scalar_type(),
              "expected rows of a cache [slots, width], contiguous, in its dtype, got ", rows.sizes(), ' ',
              rows.scalar_type(), " for ", cache.sizes(), ' ', cache.scalar_type());
  checkStartsShape("cu_seqlens", queryStarts);
  checkSlotsShape("starts", starts, queryStarts.numel() - 1);
}

Tensor writeMeta(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkWrite(cache, rows, queryStarts, starts);
  return cache;
}

// Writes the rows of sequence i, from cu_seqlens[i] on, to the cache's slots from starts[i] on.
Tensor writeCpu(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkWrite(cache, rows, queryStarts, starts);
  checkStarts("cu_seqlens", queryStarts, rows.size(0));
  const int64_t count = queryStarts.numel() - 1, *from = queryStarts.const_data_ptr<int64_t>();
  std::vector<int64_t> lengths(count);
  for (int64_t i = 0; i < count; ++i) lengths[i] = from[i + 1] - from[i];
  const Slots slots = slotsIn(cache, starts.const_data_ptr<int64_t>(), lengths.data(), count);
  const Tensor given = readable(rows);
  const int64_t itemSize = static_cast<int64_t>(cache.element_size()), bytes = cache.size(1) * itemSize;
  auto* to = static_cast<char*>(cache.data_ptr());
  const auto* of = static_cast<const char*>(given.const_data_ptr());
  for (int64_t i = 0; i < count && bytes > 0; ++i)
    for (int64_t row = from[i]; row < from[i + 1]; ++row)
      std::memmove(to + (slots.starts[i] + row - from[i]) * bytes, of + row * given.stride(0) * itemSize, bytes);
  cache.unsafeGetTensorImpl()->bump_version();
  return cache;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention_cached", [](OperatorLibrary& library) {
  library.define<attentionCpu, attentionMeta, NoDerivative::refuse>(
      "attention_cached(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor key_starts, Tensor "
      "key_lengths, int heads, int kv_heads, *, float? scale=None, int? before=None) -> Tensor");
  library.define<writeCpu, writeMeta, NoDerivative::refuse>(
      "write_rows_(Tensor(a!) self, Tensor rows, Tensor cu_seqlens, Tensor starts) -> Tensor(a!)");
});

}  // namespace
}  // namespace bidora::attentionCached
