// Checks the operands of attention and of its tangents, and converts them for the ISA variants' functions.
#pragma once

#include <algorithm>

#include "functions.h"
#include "kernels/common/operands.h"

namespace bidora {

constexpr int64_t kUnlimited = int64_t{1} << 62;

inline int64_t keysWithin(const std::optional<int64_t>& limit) {
  return std::min(limit.value_or(kUnlimited), kUnlimited);
}

// The operator's arguments other than tensors.
struct AttentionSettings {
  int64_t heads, kvHeads;
  double scale;
  std::optional<int64_t> before, after;  // keys that a query attends to around its own position
  double p;
  int64_t seed, stream;
  Dropping dropping = droppingOf(p, seed, stream);

  bool isLimited() const { return keysWithin(before) < kUnlimited || keysWithin(after) < kUnlimited; }
};

// The offsets of each row's queries and keys: [rows + 1] each.
struct AttentionStarts {
  at::Tensor queries, keys;
};

inline void checkStartsShape(const char* name, const at::Tensor& starts) {
  TORCH_CHECK(starts.scalar_type() == at::kLong && starts.layout() == at::kStrided && starts.dim() == 1 &&
                  starts.is_contiguous() && starts.numel() > 0,
              name, ": expected contiguous [rows + 1] int64, got ", starts.sizes(), ' ', starts.scalar_type());
}

inline void checkStarts(const char* name, const at::Tensor& starts, int64_t tokens) {
  checkStartsShape(name, starts);
  const int64_t* offsets = starts.const_data_ptr<int64_t>();
  bool increases = offsets[0] == 0;
  for (int64_t row = 0; row + 1 < starts.numel(); ++row) increases = increases && offsets[row] < offsets[row + 1];
  TORCH_CHECK(increases && offsets[starts.numel() - 1] == tokens, name, ": expected offsets that increase from 0 to ",
              tokens, ", the number of tokens");
}

inline void checkRowCounts(const AttentionStarts& starts) {
  TORCH_CHECK(starts.keys.numel() == starts.queries.numel(), "expected as many rows of keys as of queries, ",
              starts.queries.numel() - 1, ", got ", starts.keys.numel() - 1);
}

// A query must attend to at least one key.
inline void checkPositions(const AttentionStarts& starts, const AttentionSettings& settings) {
  checkRowCounts(starts);
  if (!settings.isLimited()) return;
  const int64_t *queries = starts.queries.const_data_ptr<int64_t>(), *keys = starts.keys.const_data_ptr<int64_t>();
  for (int64_t row = 0; row + 1 < starts.queries.numel(); ++row)
    TORCH_CHECK(queries[row + 1] - queries[row] <= keys[row + 1] - keys[row],
                "expected at least as many keys as queries in each row if attention is causal or windowed, got ",
                queries[row + 1] - queries[row], " queries and ", keys[row + 1] - keys[row], " keys in row ", row);
}

inline void checkHeads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads, int64_t kvHeads) {
  TORCH_CHECK(kvHeads > 0 && heads > 0 && heads % kvHeads == 0, "expected heads to be a multiple of kv_heads, got ",
              heads, " and ", kvHeads);
  TORCH_CHECK(q.dim() == 2 && q.size(1) % heads == 0, "expected a query of [tokens, heads · head size], got ",
              q.sizes(), " for ", heads, " heads");
  TORCH_CHECK(k.dim() == 2 && k.size(1) == q.size(1) / heads * kvHeads && v.sizes() == k.sizes(),
              "expected key and value of [tokens, ", q.size(1) / heads * kvHeads, "] like the query, got ", k.sizes(),
              " and ", v.sizes());
}

inline void checkDtypes(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  TORCH_CHECK(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(), "expected one dtype, got ",
              q.scalar_type(), ", ", k.scalar_type(), " and ", v.scalar_type());
}

// The largest number of tokens of a row.
inline int64_t longestRow(const at::Tensor& starts) {
  const int64_t* offsets = starts.const_data_ptr<int64_t>();
  int64_t longest = 0;
  for (int64_t row = 0; row + 1 < starts.numel(); ++row) longest = std::max(longest, offsets[row + 1] - offsets[row]);
  return longest;
}

inline void checkBias(const at::Tensor& q, const Maybe& bias, const AttentionStarts& starts, int64_t heads) {
  if (!bias) return;
  checkOperand(*bias);
  TORCH_CHECK(bias->scalar_type() == q.scalar_type(), "expected a bias in the query's dtype, ", q.scalar_type(),
              ", got ", bias->scalar_type());
  TORCH_CHECK(bias->dim() == 3 && bias->size(0) == heads, "expected a bias of [", heads, " heads, queries, keys], got ",
              bias->sizes());
  if (starts.queries.is_meta()) return;
  const int64_t queries = longestRow(starts.queries), keys = longestRow(starts.keys);
  TORCH_CHECK(bias->size(1) >= queries && bias->size(2) >= keys, "expected a bias for at least ", queries,
              " queries and ", keys, " keys, got ", bias->sizes());
}

// On the meta device, there are no values of `starts`.
inline void checkAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Maybe& bias,
                           const AttentionStarts& starts, const AttentionSettings& settings) {
  checkOperands({&q, &k, &v});
  checkHeads(q, k, v, settings.heads, settings.kvHeads);
  checkDtypes(q, k, v);
  TORCH_CHECK(settings.scale > 0, "expected a positive scale, got ", settings.scale);
  checkStartsShape("cu_seqlens_q", starts.queries);
  checkStartsShape("cu_seqlens_k", starts.keys);
  checkBias(q, bias, starts, settings.heads);
  const int64_t before = keysWithin(settings.before), after = keysWithin(settings.after);
  TORCH_CHECK(before >= 0 && after >= 0, "expected `before` and `after` to be at least 0, got ", before, " and ",
              after);
  if (starts.queries.is_meta()) return checkRowCounts(starts);
  checkStarts("cu_seqlens_q", starts.queries, q.size(0));
  checkStarts("cu_seqlens_k", starts.keys, k.size(0));
  checkPositions(starts, settings);
}

template <typename T>
AttentionInputs<Stored<T>> inputsOf(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const at::Tensor& bias = {}) {
  const AttentionInputs<Stored<T>> inputs{rowsOf<T>(q), rowsOf<T>(k), rowsOf<T>(v)};
  if (!bias.defined()) return inputs;
  return {inputs.q, inputs.k, inputs.v, {read<T>(bias), bias.stride(0), bias.stride(1)}};
}

inline AttentionShape shapeOf(const at::Tensor& q, const AttentionStarts& starts, const AttentionSettings& settings) {
  return {.queryStarts = starts.queries.const_data_ptr<int64_t>(),
          .keyStarts = starts.keys.const_data_ptr<int64_t>(),
          .keyEnds = starts.keys.const_data_ptr<int64_t>() + 1,
          .rows = starts.queries.numel() - 1,
          .heads = settings.heads,
          .kvHeads = settings.kvHeads,
          .size = q.size(1) / settings.heads,
          .before = keysWithin(settings.before),
          .after = keysWithin(settings.after),
          .scale = settings.scale,
          .dropping = settings.dropping};
}

// Runs work(next) on up to `threads` threads; each thread takes the next head when it has finished one.
template <typename Work>
void forEachThread(int64_t threads, Work work) {
  int64_t next = 0;
  at::parallel_for(0, std::min<int64_t>(at::get_num_threads(), threads), 1, [&](int64_t, int64_t) { work(next); });
}

}  // namespace bidora
