// Attention over rows laid end to end, without padding: queries [N, H·D] and keys and values [M, G·D] of all rows, D
// numbers a head, H / G query heads to a key head. Neither direction keeps anything of size N·M: the backward pass
// makes weights and masks again.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;

constexpr int64_t kUnlimited = int64_t{1} << 62;

struct Settings {
  int64_t heads, kvHeads;
  double scale;
  int64_t before, after;  // keys that a query sees beside its own place
  Dropping dropping;

  bool isLimited() const { return before < kUnlimited || after < kUnlimited; }
};

// Where each row's queries and keys begin: [rows + 1] each.
struct Starts {
  Tensor queries, keys;
};

void checkStarts(const char* name, const Tensor& starts, int64_t tokens) {
  TORCH_CHECK(starts.scalar_type() == at::kLong && starts.device().is_cpu() && starts.layout() == at::kStrided &&
                  starts.dim() == 1 && starts.is_contiguous() && starts.numel() > 0,
              name, ": expected [rows + 1] int64 on the CPU, side by side, got ", starts.sizes(), ' ',
              starts.scalar_type(), " on ", starts.device());
  const int64_t* places = starts.const_data_ptr<int64_t>();
  bool rises = places[0] == 0;
  for (int64_t row = 0; row + 1 < starts.numel(); ++row) rises = rises && places[row] < places[row + 1];
  TORCH_CHECK(rises && places[starts.numel() - 1] == tokens, name, ": expected numbers that rise from 0 to ", tokens,
              ", the tokens");
}

// A query that would see no key has no value.
void checkPlaces(const Starts& starts, const Settings& settings) {
  TORCH_CHECK(starts.keys.numel() == starts.queries.numel(), "expected as many rows of keys as of queries, ",
              starts.queries.numel() - 1, ", got ", starts.keys.numel() - 1);
  if (!settings.isLimited()) return;
  TORCH_CHECK(settings.before >= 0 && settings.after >= 0, "expected keys from 0 on before and after a query, got ",
              settings.before, " and ", settings.after);
  const int64_t *queries = starts.queries.const_data_ptr<int64_t>(), *keys = starts.keys.const_data_ptr<int64_t>();
  for (int64_t row = 0; row + 1 < starts.queries.numel(); ++row)
    TORCH_CHECK(queries[row + 1] - queries[row] <= keys[row + 1] - keys[row],
                "expected at least as many keys as queries in each row where a query sees some of the keys only, got ",
                queries[row + 1] - queries[row], " queries and ", keys[row + 1] - keys[row], " keys in row ", row);
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const Starts& starts, const Settings& settings) {
  checkOperands({&q, &k, &v});
  TORCH_CHECK(settings.kvHeads > 0 && settings.heads > 0 && settings.heads % settings.kvHeads == 0,
              "expected heads that are a multiple of the key heads, got ", settings.heads, " and ", settings.kvHeads);
  TORCH_CHECK(q.dim() == 2 && q.size(1) % settings.heads == 0, "expected a query of [tokens, heads · size], got ",
              q.sizes(), " for ", settings.heads, " heads");
  TORCH_CHECK(k.dim() == 2 && k.size(1) == q.size(1) / settings.heads * settings.kvHeads && v.sizes() == k.sizes(),
              "expected key and value of [tokens, ", q.size(1) / settings.heads * settings.kvHeads,
              "] like the query, got ", k.sizes(), " and ", v.sizes());
  TORCH_CHECK(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(), "expected one dtype, got ",
              q.scalar_type(), ", ", k.scalar_type(), " and ", v.scalar_type());
  TORCH_CHECK(settings.scale > 0, "expected a scale above 0, got ", settings.scale);
  checkStarts("cu_seqlens_q", starts.queries, q.size(0));
  checkStarts("cu_seqlens_k", starts.keys, k.size(0));
  checkPlaces(starts, settings);
}

// A view with the numbers of a token side by side, as a slice of a joint product has them.
Tensor readable(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

template <typename T>
Rows<const Stored<T>> rowsOf(const Tensor& x) {
  return {read<T>(x), x.stride(0)};
}
template <typename T>
Rows<Stored<T>> writableRows(const Tensor& x) {
  return {write<T>(x), x.stride(0)};
}

AttentionShape shapeOf(const Tensor& q, const Starts& starts, const Settings& settings) {
  return {.queryStarts = starts.queries.const_data_ptr<int64_t>(),
          .keyStarts = starts.keys.const_data_ptr<int64_t>(),
          .rows = starts.queries.numel() - 1,
          .heads = settings.heads,
          .kvHeads = settings.kvHeads,
          .size = q.size(1) / settings.heads,
          .before = settings.before,
          .after = settings.after,
          .scale = settings.scale,
          .dropping = settings.dropping};
}

// Runs work(next) on all threads, which take heads as they get free.
template <typename Work>
void forEachThread(int64_t tasks, Work work) {
  int64_t next = 0;
  at::parallel_for(0, std::min<int64_t>(at::get_num_threads(), tasks), 1, [&](int64_t, int64_t) { work(next); });
}

// → [N, H·D] and log Σ exp of each query's scores, [H, N]
std::pair<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Starts& starts,
                                  const Settings& settings) {
  check(q, k, v, starts, settings);
  const Tensor out = at::empty(q.sizes(), q.options());
  if (q.numel() == 0) return {out, at::empty({0}, q.options())};
  const Tensor query = readable(q), key = readable(k), value = readable(v);
  const Tensor logSums = at::empty({settings.heads, q.size(0)}, q.options().dtype(sumType(q)));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, starts, settings);
    const AttentionInputs<Stored<scalar_t>> inputs{rowsOf<scalar_t>(query), rowsOf<scalar_t>(key),
                                                   rowsOf<scalar_t>(value)};
    SumOf<scalar_t>* sums = logSums.data_ptr<SumOf<scalar_t>>();
    forEachThread(shape.rows * shape.heads, [&](int64_t& next) {
      functions<scalar_t>().attend(shape, inputs, writableRows<scalar_t>(out), sums, next);
    });
  });
  return {out, logSums};
}

std::array<Tensor, 3> backward(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                               const Tensor& logSums, const Starts& starts, const Settings& settings) {
  const std::array<Tensor, 3> results{at::empty(q.sizes(), q.options()), at::empty(k.sizes(), k.options()),
                                      at::empty(v.sizes(), v.options())};
  if (q.numel() == 0) return results;
  const Tensor query = readable(q), key = readable(k), value = readable(v), change = readable(gradient);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, starts, settings);
    const AttentionInputs<Stored<scalar_t>> inputs{rowsOf<scalar_t>(query), rowsOf<scalar_t>(key),
                                                   rowsOf<scalar_t>(value)};
    const AttentionGradients<Stored<scalar_t>> gradients{
        rowsOf<scalar_t>(change), logSums.const_data_ptr<SumOf<scalar_t>>(), writableRows<scalar_t>(results[0]),
        writableRows<scalar_t>(results[1]), writableRows<scalar_t>(results[2])};
    forEachThread(shape.rows * shape.kvHeads,
                  [&](int64_t& next) { functions<scalar_t>().attendBackward(shape, inputs, gradients, next); });
  });
  return results;
}

// The operator's arguments beside the tensors, as they came.
struct Given {
  int64_t heads, kvHeads;
  double scale;
  std::optional<int64_t> before, after;
  double p;
  int64_t seed, stream;

  Settings settings() const {
    const auto limit = [](const std::optional<int64_t>& given) {
      return std::min(given.value_or(kUnlimited), kUnlimited);
    };
    return {heads, kvHeads, scale, limit(before), limit(after), droppingOf(p, seed, stream)};
  }
};

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const Starts& starts, const Given& given) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [out, logSums] = bidora::forward(q, k, v, starts, given.settings());
    context->save_for_backward({q, k, v, starts.queries, starts.keys, logSums});
    context->saved_data["given"] = c10::ivalue::Tuple::create(given.heads, given.kvHeads, given.scale, given.before,
                                                              given.after, given.p, given.seed, given.stream);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::attention has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["given"].toTupleRef().elements();
    const Given given{values[0].toInt(),
                      values[1].toInt(),
                      values[2].toDouble(),
                      values[3].toOptional<int64_t>(),
                      values[4].toOptional<int64_t>(),
                      values[5].toDouble(),
                      values[6].toInt(),
                      values[7].toInt()};
    auto [q, k, v] =
        bidora::backward(gradients[0], saved[0], saved[1], saved[2], saved[5], {saved[3], saved[4]}, given.settings());
    return {q, k, v, Tensor(), Tensor()};
  }
};

// The mask that attention draws with the same key for some rows of a batch, 0 or 1 / (1 − p), padded by 0 to the most
// queries and keys among them: [rows, H, queries, keys] in the dtype of `like`.
Tensor attentionMask(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef queries, at::IntArrayRef keys,
                     int64_t heads, double p, int64_t seed, int64_t stream) {
  checkOperands({&like});
  TORCH_CHECK(rows.size() == queries.size() && rows.size() == keys.size() && !rows.empty(),
              "expected queries and keys of each of ", rows.size(), " rows, got ", queries.size(), " and ",
              keys.size());
  TORCH_CHECK(heads > 0, "expected heads, got ", heads);
  for (const at::IntArrayRef numbers : {rows, queries, keys})
    TORCH_CHECK(*std::min_element(numbers.begin(), numbers.end()) >= 0,
                "expected rows, queries and keys from 0 on, got ", numbers);
  const Dropping dropping = droppingOf(p, seed, stream);
  const int64_t mostQueries = *std::max_element(queries.begin(), queries.end()),
                mostKeys = *std::max_element(keys.begin(), keys.end());
  const Tensor mask = at::zeros({static_cast<int64_t>(rows.size()), heads, mostQueries, mostKeys}, like.options());
  if (mask.numel() == 0) return mask;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, like.scalar_type(), "bidora::attention_mask", [&] {
    at::parallel_for(0, rows.size() * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t place = task / heads;
        const uint32_t head = static_cast<uint32_t>(rows[place] * heads + task % heads);
        const MaskShape shape{queries[place], keys[place], mostKeys, head, dropping};
        functions<scalar_t>().attentionMask(shape, write<scalar_t>(mask) + task * mostQueries * mostKeys);
      }
    });
  });
  return mask;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts, const Tensor& keyStarts,
                 int64_t heads, int64_t kvHeads, double scale, std::optional<int64_t> before,
                 std::optional<int64_t> after, double p, int64_t seed, int64_t stream) {
  return AttentionFunction::apply(q, k, v, Starts{queryStarts, keyStarts},
                                  Given{heads, kvHeads, scale, before, after, p, seed, stream});
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention", [](torch::Library& library) {
  library.def(
      "attention(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int "
      "kv_heads, float scale, *,"
      " int? before=None, int? after=None, float p=0., int seed=0, int stream=0) -> Tensor",
      attention);
  library.def(
      "attention_mask(Tensor like, int[] rows, int[] queries, int[] keys, int heads, float p, int seed, int stream) -> "
      "Tensor",
      attentionMask);
});

}  // namespace
}  // namespace bidora
