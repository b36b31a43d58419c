// Attention over packed rows, without padding: queries [N, H·D], keys and values [M, G·D], with head size D and H / G
// query heads per key head. Nothing of size N·M is kept: the backward pass recomputes weights and masks.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::attention {
namespace {

using at::Tensor;

// Returns the output [N, H·D] and each query's log Σ exp of scores [H, N].
std::pair<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionStarts& starts,
                                  const AttentionSettings& settings) {
  checkAttention(q, k, v, starts, settings);
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
      functions<AttentionFunctions, scalar_t>().attend(shape, inputs, writableRows<scalar_t>(out), sums, next);
    });
  });
  return {out, logSums};
}

std::array<Tensor, 3> backward(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v,
                               const Tensor& logSums, const AttentionStarts& starts,
                               const AttentionSettings& settings) {
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
    forEachThread(shape.rows * shape.kvHeads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendBackward(shape, inputs, gradients, next);
    });
  });
  return results;
}

using Forward = std::tuple<Tensor, Tensor>;
using Backward = std::tuple<Tensor, Tensor, Tensor>;

Forward forwardCpu(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                   const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale, std::optional<int64_t> before,
                   std::optional<int64_t> after, double p, int64_t seed, int64_t stream) {
  return forward(q, k, v, {queryStarts, keyStarts},
                 AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream}.settings());
}

Forward forwardMeta(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                    const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                    std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                    int64_t stream) {
  checkShapes(q, k, v, {queryStarts, keyStarts},
              AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream}.settings());
  checkRowCounts({queryStarts, keyStarts});
  return {at::empty(q.sizes(), q.options()), at::empty({heads, q.size(0)}, q.options().dtype(sumType(q)))};
}

Backward backwardCpu(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& logSums,
                     const Tensor& queryStarts, const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                     std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                     int64_t stream) {
  auto [ofQ, ofK, ofV] = backward(gradient, q, k, v, logSums, {queryStarts, keyStarts},
                                  AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream}.settings());
  return {ofQ, ofK, ofV};
}

Backward backwardMeta(const Tensor&, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor&, const Tensor&,
                      const Tensor&, int64_t, int64_t, double, std::optional<int64_t>, std::optional<int64_t>, double,
                      int64_t, int64_t) {
  return {at::empty(q.sizes(), q.options()), at::empty(k.sizes(), k.options()), at::empty(v.sizes(), v.options())};
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionStarts& starts, const AttentionGiven& given) {
    auto [out, logSums] =
        callKernel<forwardCpu>("bidora::_attention", q, k, v, starts.queries, starts.keys, given.heads, given.kvHeads,
                               given.scale, given.before, given.after, given.p, given.seed, given.stream);
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
    const AttentionGiven given{values[0].toInt(),
                               values[1].toInt(),
                               values[2].toDouble(),
                               values[3].toOptional<int64_t>(),
                               values[4].toOptional<int64_t>(),
                               values[5].toDouble(),
                               values[6].toInt(),
                               values[7].toInt()};
    auto [q, k, v] = callKernel<backwardCpu>("bidora::_attention_backward", gradients[0], saved[0], saved[1], saved[2],
                                             saved[5], saved[3], saved[4], given.heads, given.kvHeads, given.scale,
                                             given.before, given.after, given.p, given.seed, given.stream);
    return {q, k, v, Tensor(), Tensor()};
  }
};

void checkMask(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef queries, at::IntArrayRef keys, int64_t heads) {
  checkOperands({&like});
  TORCH_CHECK(rows.size() == queries.size() && rows.size() == keys.size() && !rows.empty(),
              "expected a number of queries and of keys for each of ", rows.size(), " rows, got ", queries.size(),
              " and ", keys.size());
  TORCH_CHECK(heads > 0, "expected at least one head, got ", heads);
  for (const at::IntArrayRef numbers : {rows, queries, keys})
    TORCH_CHECK(*std::min_element(numbers.begin(), numbers.end()) >= 0,
                "expected numbers of rows, queries and keys of at least 0, got ", numbers);
}

std::array<int64_t, 4> maskSizes(at::IntArrayRef queries, at::IntArrayRef keys, int64_t heads) {
  return {static_cast<int64_t>(queries.size()), heads, *std::max_element(queries.begin(), queries.end()),
          *std::max_element(keys.begin(), keys.end())};
}

// The dropout mask that attention uses with the same key for some rows of a batch: values 0 or 1 / (1 − p), padded
// with 0 to the largest numbers of queries and keys, [rows, H, queries, keys] in the dtype of `like`.
Tensor maskCpu(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef queries, at::IntArrayRef keys, int64_t heads,
               double p, int64_t seed, int64_t stream) {
  checkMask(like, rows, queries, keys, heads);
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor mask = at::zeros(maskSizes(queries, keys, heads), like.options());
  const int64_t mostQueries = mask.size(2), mostKeys = mask.size(3);
  if (mask.numel() == 0) return mask;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, like.scalar_type(), "bidora::attention_mask", [&] {
    at::parallel_for(0, rows.size() * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t place = task / heads;
        const uint32_t head = static_cast<uint32_t>((dropping.first + rows[place]) * heads + task % heads);
        const MaskShape shape{queries[place], keys[place], mostKeys, head, dropping};
        functions<AttentionFunctions, scalar_t>().attentionMask(shape,
                                                                write<scalar_t>(mask) + task * mostQueries * mostKeys);
      }
    });
  });
  return mask;
}

Tensor maskMeta(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef queries, at::IntArrayRef keys, int64_t heads,
                double p, int64_t seed, int64_t stream) {
  checkMask(like, rows, queries, keys, heads);
  droppingOf(p, seed, stream);
  return at::empty(maskSizes(queries, keys, heads), like.options());
}

Tensor attentionCpu(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                    const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                    std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                    int64_t stream) {
  return std::get<0>(
      forwardCpu(q, k, v, queryStarts, keyStarts, heads, kvHeads, scale, before, after, p, seed, stream));
}

Tensor attentionMeta(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                     const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                     std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                     int64_t stream) {
  return std::get<0>(
      forwardMeta(q, k, v, queryStarts, keyStarts, heads, kvHeads, scale, before, after, p, seed, stream));
}

Tensor attentionAutograd(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                         const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                         std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                         int64_t stream) {
  return AttentionFunction::apply(q, k, v, AttentionStarts{queryStarts, keyStarts},
                                  AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream});
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention", [](OperatorLibrary& library) {
  library.define<attentionCpu, attentionMeta, attentionAutograd>(
      "attention(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int "
      "kv_heads, float scale, *, int? before=None, int? after=None, float p=0., int seed=0, int stream=0) -> Tensor");
  library.define<forwardCpu, forwardMeta, NoDerivative::refuse>(
      "_attention(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int "
      "kv_heads, float scale, int? before, int? after, float p, int seed, int stream) -> (Tensor out, Tensor "
      "log_sums)");
  library.define<backwardCpu, backwardMeta, NoDerivative::refuse>(
      "_attention_backward(Tensor grad, Tensor query, Tensor key, Tensor value, Tensor log_sums, Tensor cu_seqlens_q, "
      "Tensor cu_seqlens_k, int heads, int kv_heads, float scale, int? before, int? after, float p, int seed, int "
      "stream) -> (Tensor query_grad, Tensor key_grad, Tensor value_grad)");
  library.define<maskCpu, maskMeta, NoDerivative::ignore>(
      "attention_mask(Tensor like, int[] rows, int[] queries, int[] keys, int heads, float p, int seed, int stream) -> "
      "Tensor");
});

}  // namespace
}  // namespace bidora::attention
