// Attention for generation: the queries of new tokens attend to keys and values in a preallocated cache, which are read
// in place. Shapes: queries [N, H·D] of all sequences; a cache [slots, G·D], in which sequence i has the slots
// starts[i] … starts[i] + lengths[i] − 1. A sequence's last query has the position of its last key. Keys and values may
// be int8 with a scale for each slot and head, [slots, G].
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "kernels/common/registration.h"
#include "operands.h"
#include "slots.h"

namespace bidora::attentionCached {
namespace {

using at::Tensor;

constexpr int64_t kBytesOfThread =
    1 << 18;                          // keys and values per thread; reading them takes longer than waking a thread
constexpr int64_t kKeysOfPart = 256;  // fewer keys are not split

void checkShapes(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts, const Tensor& keyStarts,
                 const Tensor& keyLengths, int64_t heads, int64_t kvHeads, std::optional<double> scale,
                 std::optional<int64_t> before, const Maybe& keyScales, const Maybe& valueScales) {
  checkOperands({&q});
  checkHeads(q, k, v, heads, kvHeads);
  if (keyScales || valueScales) {
    checkInt8("key", k, keyScales, kvHeads);
    checkInt8("value", v, valueScales, kvHeads);
  } else {
    checkOperands({&k, &v});
    checkDtypes(q, k, v);
  }
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
    forEachThread(threads, [&](int64_t& next) { variant.attendStep(shape, inputs, out, shared, step, next); });
  return true;
}

Int8Rows int8Rows(const Tensor& codes, const Tensor& scales, int64_t heads) {
  return {codes.const_data_ptr<int8_t>(), scales.const_data_ptr<float>(), heads};
}

Tensor attentionCached(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& queryStarts,
                       const Tensor& keyStarts, const Tensor& keyLengths, int64_t heads, int64_t kvHeads,
                       std::optional<double> scale, std::optional<int64_t> before, const Maybe& keyScales,
                       const Maybe& valueScales) {
  checkShapes(query, key, value, queryStarts, keyStarts, keyLengths, heads, kvHeads, scale, before, keyScales,
              valueScales);
  const Tensor out = emptyLike(query);
  if (out.is_meta()) return out;
  checkStarts("cu_seqlens_q", queryStarts, query.size(0));
  const int64_t rows = queryStarts.numel() - 1, size = query.size(1) / heads;
  const int64_t *starts = keyStarts.const_data_ptr<int64_t>(), *lengths = keyLengths.const_data_ptr<int64_t>(),
                *queries = queryStarts.const_data_ptr<int64_t>();
  const Slots slots = slotsIn(key, starts, lengths, rows);
  for (int64_t row = 0; row < rows; ++row)
    TORCH_CHECK(queries[row + 1] - queries[row] <= lengths[row], "expected at least as many keys as queries, got ",
                lengths[row], " keys and ", queries[row + 1] - queries[row], " queries in sequence ", row);
  if (out.numel() == 0) return out;
  const Tensor q = inRows(query), k = inRows(key), v = inRows(value);
  const int64_t threads = threadsFor(k, slots);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention_cached", [&] {
    const AttentionShape shape{.queryStarts = queries,
                               .keyStarts = starts,
                               .keyEnds = slots.ends.data(),
                               .rows = rows,
                               .heads = heads,
                               .kvHeads = kvHeads,
                               .size = size,
                               .before = keysWithin(before),
                               .after = 0,
                               .scale = scale.value_or(1 / std::sqrt(static_cast<double>(size))),
                               .dropping = {}};
    const Rows<Stored<scalar_t>> to = writableRows<scalar_t>(out);
    if (keyScales) {
      const Int8Inputs<Stored<scalar_t>> packed{rowsOf<scalar_t>(q), int8Rows(k, *keyScales, kvHeads),
                                                int8Rows(v, *valueScales, kvHeads)};
      forEachThread(threads, [&](int64_t& next) {
        functions<AttentionFunctions, scalar_t>().attendInt8(shape, packed, to, next);
      });
      return;
    }
    const auto inputs = inputsOf<scalar_t>(q, k, v);
    if (attendInSteps<scalar_t>(shape, inputs, to, threads)) return;
    const Tensor logSums = at::empty({heads, q.size(0)}, q.options().dtype(sumType(q)));
    auto* sums = logSums.mutable_data_ptr<SumOf<scalar_t>>();
    forEachThread(threads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendCached(shape, inputs, to, sums, next);
    });
  });
  return out;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention_cached", [](OperatorLibrary& library) {
  library.define<attentionCached, NoDerivative::refuse>(
      "attention_cached(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor key_starts, Tensor "
      "key_lengths, int heads, int kv_heads, *, float? scale=None, int? before=None, Tensor? key_scales=None, "
      "Tensor? value_scales=None) -> Tensor");
});

}  // namespace
}  // namespace bidora::attentionCached
