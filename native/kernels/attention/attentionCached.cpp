// Attention for generation: the new tokens' queries over keys and values in a cache with room to spare, which are read
// in place, and an operator that writes new ones there. Shapes: queries [N, H·D] of all sequences; a cache [places,
// G·D], in which sequence i has the places starts[i] … starts[i] + lengths[i] − 1. The last query is at the place of
// the last key.
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

constexpr int64_t kBytesOfThread = 1 << 18;  // of keys and values: reading them takes longer than waking a thread
constexpr int64_t kKeysOfPart = 256;         // fewer are not divided

// The places of sequences in a cache.
struct Places {
  const int64_t* starts;
  std::vector<int64_t> ends;
};

void checkPlacesShape(const char* name, const Tensor& places, int64_t count) {
  TORCH_CHECK(places.scalar_type() == at::kLong && places.layout() == at::kStrided && places.dim() == 1 &&
                  places.is_contiguous() && places.numel() == count,
              name, ": expected [", count, "] int64, one for each sequence, got ", places.sizes(), ' ',
              places.scalar_type());
}

Places placesIn(const Tensor& cache, const int64_t* starts, const int64_t* lengths, int64_t count) {
  Places places{starts, std::vector<int64_t>(count)};
  for (int64_t i = 0; i < count; ++i) {
    TORCH_CHECK(
        starts[i] >= 0 && lengths[i] >= 0 && starts[i] <= cache.size(0) && lengths[i] <= cache.size(0) - starts[i],
        "expected sequences within the ", cache.size(0), " places of the cache, got ", lengths[i], " from ", starts[i],
        " on for sequence ", i);
    places.ends[i] = starts[i] + lengths[i];
  }
  return places;
}

void checkShapes(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts, const Tensor& keyStarts,
                 const Tensor& keyLengths, int64_t heads, int64_t kvHeads, std::optional<double> scale,
                 std::optional<int64_t> before) {
  checkOperands({&q, &k, &v});
  checkHeads(q, k, v, heads, kvHeads);
  checkStartsShape("cu_seqlens_q", queryStarts);
  checkPlacesShape("key_starts", keyStarts, queryStarts.numel() - 1);
  checkPlacesShape("key_lengths", keyLengths, queryStarts.numel() - 1);
  TORCH_CHECK(before.value_or(0) >= 0, "expected keys from 0 on before a query, got ", before.value_or(0));
  TORCH_CHECK(scale.value_or(1) > 0, "expected a scale above 0, got ", scale.value_or(1));
}

// The number of threads that it pays to use for reading the keys.
int64_t threadsFor(const Tensor& k, const Places& places) {
  int64_t keys = 0;
  for (size_t i = 0; i < places.ends.size(); ++i) keys += places.ends[i] - places.starts[i];
  const int64_t bytes = 2 * keys * k.size(1) * static_cast<int64_t>(k.element_size());
  return std::clamp<int64_t>(bytes / kBytesOfThread, 1, at::get_num_threads());
}

template <typename Work>
void onThreads(int64_t threads, Work work) {
  int64_t next = 0;
  at::parallel_for(0, threads, 1, [&](int64_t, int64_t) { work(next); });
}

// If there are too few groups of heads for all threads, keys and numbers are divided among them.
template <typename T>
bool attendInSteps(const AttentionShape& shape, const AttentionInputs<Stored<T>>& inputs, Rows<Stored<T>> out,
                   int64_t threads) {
  using Sum = SumOf<Stored<T>>;
  const auto& variant = functions<AttentionFunctions, T>();
  int64_t longest = 0;
  for (int64_t row = 0; row < shape.rows; ++row) longest = std::max(longest, shape.keyEnds[row] - shape.keyStarts[row]);
  const int64_t parts = std::min(4 * threads / (shape.rows * shape.kvHeads), longest / kKeysOfPart);
  if (threads < 2 || parts < 2 || !variant.attendsInSteps || !variant.attendsInSteps(shape, inputs)) return false;
  std::vector<int64_t> places(shape.rows);
  int64_t size = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    places[row] = size;
    const int64_t keys = shape.keyEnds[row] - shape.keyStarts[row];
    size += shape.heads * (shape.queryStarts[row + 1] - shape.queryStarts[row]) * (keys + 2 * kWidth);
  }
  const Tensor room = at::empty({size}, at::TensorOptions(c10::CppTypeToScalarType<Sum>::value));
  const SharedKeys<Sum> shared{room.mutable_data_ptr<Sum>(), places.data(), parts};
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
  const Places places = placesIn(key, starts, lengths, rows);
  for (int64_t row = 0; row < rows; ++row)
    TORCH_CHECK(queries[row + 1] - queries[row] <= lengths[row], "expected at least as many keys as queries, got ",
                lengths[row], " keys and ", queries[row + 1] - queries[row], " queries in sequence ", row);
  const Tensor out = at::empty(query.sizes(), query.options());
  if (query.numel() == 0) return out;
  const Tensor q = readable(query), k = readable(key), v = readable(value);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention_cached", [&] {
    const AttentionShape shape{.queryStarts = queries,
                               .keyStarts = starts,
                               .keyEnds = places.ends.data(),
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
    const int64_t threads = threadsFor(k, places);
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
              "expected rows of a cache [places, width], contiguous, in its dtype, got ", rows.sizes(), ' ',
              rows.scalar_type(), " for ", cache.sizes(), ' ', cache.scalar_type());
  checkStartsShape("cu_seqlens", queryStarts);
  checkPlacesShape("starts", starts, queryStarts.numel() - 1);
}

Tensor writeMeta(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkWrite(cache, rows, queryStarts, starts);
  return cache;
}

// Rows cu_seqlens[i] … of `rows` become the places starts[i] … of a cache.
Tensor writeCpu(const Tensor& cache, const Tensor& rows, const Tensor& queryStarts, const Tensor& starts) {
  checkWrite(cache, rows, queryStarts, starts);
  checkStarts("cu_seqlens", queryStarts, rows.size(0));
  const int64_t count = queryStarts.numel() - 1, *from = queryStarts.const_data_ptr<int64_t>();
  std::vector<int64_t> lengths(count);
  for (int64_t i = 0; i < count; ++i) lengths[i] = from[i + 1] - from[i];
  const Places places = placesIn(cache, starts.const_data_ptr<int64_t>(), lengths.data(), count);
  const Tensor given = readable(rows);
  const int64_t itemSize = static_cast<int64_t>(cache.element_size()), bytes = cache.size(1) * itemSize;
  auto* to = static_cast<char*>(cache.data_ptr());
  const auto* of = static_cast<const char*>(given.const_data_ptr());
  for (int64_t i = 0; i < count && bytes > 0; ++i)
    for (int64_t row = from[i]; row < from[i + 1]; ++row)
      std::memmove(to + (places.starts[i] + row - from[i]) * bytes, of + row * given.stride(0) * itemSize, bytes);
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
