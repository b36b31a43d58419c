// Attention over packed rows, without padding: queries [N, H·D], keys and values [M, G·D], with head size D and H / G
// query heads per key head. Nothing of size N·M is kept: the backward pass recomputes weights and masks.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "kernels/common/differentiable.h"
#include "operands.h"

namespace bidora::attention {
namespace {

using at::Tensor;

// The output [N, H·D] and each query's log Σ exp of scores [H, N].
std::tuple<Tensor, Tensor> forwardKernel(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                                         const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                                         const Maybe& bias, std::optional<int64_t> before, std::optional<int64_t> after,
                                         double p, int64_t seed, int64_t stream) {
  const AttentionSettings settings{heads, kvHeads, scale, before, after, p, seed, stream};
  const AttentionStarts starts{queryStarts, keyStarts};
  checkAttention(q, k, v, bias, starts, settings);
  const Tensor out = emptyLike(q), logSums = at::empty({heads, q.size(0)}, q.options().dtype(sumType(q)));
  if (!isComputed(out)) return {out, logSums};
  const Tensor query = inRows(q), key = inRows(k), value = inRows(v), added = contiguousOrNone(orNone(bias));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, starts, settings);
    const auto inputs = inputsOf<scalar_t>(query, key, value, added);
    SumOf<scalar_t>* sums = logSums.data_ptr<SumOf<scalar_t>>();
    forEachThread(shape.rows * shape.heads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attend(shape, inputs, writableRows<scalar_t>(out), sums, next);
    });
  });
  return {out, logSums};
}

std::tuple<Tensor, Tensor, Tensor> backwardKernel(const Tensor& gradient, const Tensor& q, const Tensor& k,
                                                  const Tensor& v, const Tensor& logSums, const Tensor& queryStarts,
                                                  const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                                                  const Maybe& bias, std::optional<int64_t> before,
                                                  std::optional<int64_t> after, double p, int64_t seed,
                                                  int64_t stream) {
  const Tensor ofQ = emptyLike(q), ofK = emptyLike(k), ofV = emptyLike(v);
  if (!isComputed(ofQ)) return {ofQ, ofK, ofV};
  const AttentionSettings settings{heads, kvHeads, scale, before, after, p, seed, stream};
  const Tensor query = inRows(q), key = inRows(k), value = inRows(v), change = inRows(gradient),
               added = contiguousOrNone(orNone(bias));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, {queryStarts, keyStarts}, settings);
    const auto inputs = inputsOf<scalar_t>(query, key, value, added);
    const AttentionGradients<Stored<scalar_t>> gradients{.out = rowsOf<scalar_t>(change),
                                                         .logSums = logSums.const_data_ptr<SumOf<scalar_t>>(),
                                                         .q = writableRows<scalar_t>(ofQ),
                                                         .k = writableRows<scalar_t>(ofK),
                                                         .v = writableRows<scalar_t>(ofV)};
    forEachThread(shape.rows * shape.kvHeads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendBackward(shape, inputs, gradients, next);
    });
  });
  return {ofQ, ofK, ofV};
}

struct Attention {
  struct Saved {
    Tensor q, k, v, queryStarts, keyStarts, logSums, bias;
    AttentionSettings of;
    std::vector<Tensor*> tensors() { return {&q, &k, &v, &queryStarts, &keyStarts, &logSums, &bias}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& queryStarts,
                                        const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                                        const Maybe& bias, std::optional<int64_t> before, std::optional<int64_t> after,
                                        double p, int64_t seed, int64_t stream) {
    TORCH_CHECK(!bias || !bias->requires_grad() || !at::GradMode::is_enabled(),
                "bidora::attention has no gradient of a bias: use the plain formula.");
    const auto [out, logSums] = callKernel<forwardKernel>("bidora::_attention", q, k, v, queryStarts, keyStarts, heads,
                                                          kvHeads, scale, bias, before, after, p, seed, stream);
    return {out,
            {q,
             k,
             v,
             queryStarts,
             keyStarts,
             logSums,
             orNone(bias),
             {heads, kvHeads, scale, before, after, p, seed, stream}}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    refuseSecondDerivative("attention");
    const auto& [q, k, v, queryStarts, keyStarts, logSums, bias, of] = saved;
    const auto [ofQ, ofK, ofV] = callKernel<backwardKernel>(
        "bidora::_attention_backward", gradients[0], q, k, v, logSums, queryStarts, keyStarts, of.heads, of.kvHeads,
        of.scale, ifDefined(bias), of.before, of.after, of.p, of.seed, of.stream);
    return {ofQ, ofK, ofV};
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
Tensor attentionMask(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef queries, at::IntArrayRef keys,
                     int64_t heads, double p, int64_t seed, int64_t stream) {
  checkMask(like, rows, queries, keys, heads);
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor mask = at::zeros(maskSizes(queries, keys, heads), like.options());
  const int64_t mostQueries = mask.size(2), mostKeys = mask.size(3);
  if (!isComputed(mask)) return mask;
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

[[maybe_unused]] const bool defined = defineOnce("bidora::attention", [](OperatorLibrary& library) {
  defineDifferentiable<Attention>(
      library,
      "attention(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int "
      "kv_heads, float scale, *, Tensor? bias=None, int? before=None, int? after=None, float p=0., int seed=0, int "
      "stream=0) -> Tensor");
  library.define<forwardKernel, NoDerivative::refuse>(
      "_attention(Tensor query, Tensor key, Tensor value, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int "
      "kv_heads, float scale, Tensor? bias, int? before, int? after, float p, int seed, int stream) -> (Tensor out, "
      "Tensor log_sums)");
  library.define<backwardKernel, NoDerivative::refuse>(
      "_attention_backward(Tensor grad, Tensor query, Tensor key, Tensor value, Tensor log_sums, Tensor cu_seqlens_q, "
      "Tensor cu_seqlens_k, int heads, int kv_heads, float scale, Tensor? bias, int? before, int? after, float p, int "
      "seed, int stream) -> (Tensor query_grad, Tensor key_grad, Tensor value_grad)");
  library.define<attentionMask, NoDerivative::ignore>(
      "attention_mask(Tensor like, int[] rows, int[] queries, int[] keys, int heads, float p, int seed, int stream) -> "
      "Tensor");
});

}  // namespace
}  // namespace bidora::attention
