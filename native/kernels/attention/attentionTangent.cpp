// The directional derivatives of attention and of its gradients, along tangents of the queries, keys and values
// (forward over reverse). Weights are recomputed block by block, so that nothing of size N·M is kept; shapes as in
// attention.cpp.
#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::attentionTangent {
namespace {

using at::Tensor;
using Maybe = std::optional<Tensor>;

// Query, key and value, or their tangents or gradients.
struct Three {
  Tensor q, k, v;
};

// With contiguous rows; undefined tensors stay undefined.
Tensor readableOrNone(const Tensor& x) { return x.defined() ? readable(x) : x; }
Three threeReadable(const Three& x) { return {readableOrNone(x.q), readableOrNone(x.k), readableOrNone(x.v)}; }

template <typename T>
Rows<const Stored<T>> rowsOrNone(const Tensor& x) {
  return x.defined() ? rowsOf<T>(x) : Rows<const Stored<T>>{nullptr, 0};
}
template <typename T>
AttentionInputs<Stored<T>> inputsOf(const Three& x) {
  return {rowsOrNone<T>(x.q), rowsOrNone<T>(x.k), rowsOrNone<T>(x.v)};
}

Three emptyLike(const Three& x) {
  return {at::empty(x.q.sizes(), x.q.options()), at::empty(x.k.sizes(), x.k.options()),
          at::empty(x.v.sizes(), x.v.options())};
}

void checkTangents(const Three& x, const Three& tangents) {
  checkTangent("query", tangents.q, x.q);
  checkTangent("key", tangents.k, x.k);
  checkTangent("value", tangents.v, x.v);
}

Tensor forward(const Three& inputs, const Three& tangents, const AttentionStarts& starts,
               const AttentionSettings& settings) {
  checkAttention(inputs.q, inputs.k, inputs.v, starts, settings);
  checkTangents(inputs, tangents);
  const Tensor out = at::empty(inputs.q.sizes(), inputs.q.options());
  if (out.numel() == 0) return out;
  const Three x = threeReadable(inputs), xd = threeReadable(tangents);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, out.scalar_type(), "bidora::attention_tangent", [&] {
    const AttentionShape shape = shapeOf(x.q, starts, settings);
    forEachThread(shape.rows * shape.heads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendTangent(shape, inputsOf<scalar_t>(x), inputsOf<scalar_t>(xd),
                                                              writableRows<scalar_t>(out), next);
    });
  });
  return out;
}

// The output's gradient and its tangent.
struct Change {
  Tensor gradient, tangent;
};

void checkTangents(const Three& x, const Three& tangents, const Change& change) {
  checkTangents(x, tangents);
  checkTangent("gradient", change.gradient, x.q);
  checkTangent("gradient", change.tangent, x.q);
}

struct Gradients {
  Three tangents, values;
};

Gradients backward(const Three& inputs, const Three& tangents, const Change& change, const AttentionStarts& starts,
                   const AttentionSettings& settings) {
  checkAttention(inputs.q, inputs.k, inputs.v, starts, settings);
  checkTangents(inputs, tangents, change);
  const Gradients results{emptyLike(inputs), emptyLike(inputs)};
  if (inputs.q.numel() == 0) return results;
  const Three x = threeReadable(inputs), xd = threeReadable(tangents);
  const Tensor g = readable(change.gradient), gd = readableOrNone(change.tangent);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, g.scalar_type(), "bidora::attention_tangent_backward", [&] {
    const AttentionShape shape = shapeOf(x.q, starts, settings);
    const auto& [ofTangents, ofValues] = results;
    const AttentionTangentGradients<Stored<scalar_t>> gradients{rowsOf<scalar_t>(g),
                                                                rowsOrNone<scalar_t>(gd),
                                                                writableRows<scalar_t>(ofTangents.q),
                                                                writableRows<scalar_t>(ofTangents.k),
                                                                writableRows<scalar_t>(ofTangents.v),
                                                                writableRows<scalar_t>(ofValues.q),
                                                                writableRows<scalar_t>(ofValues.k),
                                                                writableRows<scalar_t>(ofValues.v)};
    forEachThread(shape.rows * shape.kvHeads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendTangentBackward(shape, inputsOf<scalar_t>(x),
                                                                      inputsOf<scalar_t>(xd), gradients, next);
    });
  });
  return results;
}

Tensor tangentCpu(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd, const Maybe& vd,
                  const Tensor& queryStarts, const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                  std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed, int64_t stream) {
  const Three tangents{orNone(qd), orNone(kd), orNone(vd)};
  const AttentionGiven given{heads, kvHeads, scale, before, after, p, seed, stream};
  return forward({q, k, v}, tangents, {queryStarts, keyStarts}, given.settings());
}

using Six = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

Six tangentBackwardCpu(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd,
                       const Maybe& vd, const Tensor& g, const Maybe& gd, const Tensor& queryStarts,
                       const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                       std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                       int64_t stream) {
  const Three tangents{orNone(qd), orNone(kd), orNone(vd)};
  const Change change{g, orNone(gd)};
  const AttentionGiven given{heads, kvHeads, scale, before, after, p, seed, stream};
  const auto [ofTangents, ofValues] = backward({q, k, v}, tangents, change, {queryStarts, keyStarts}, given.settings());
  return {ofTangents.q, ofTangents.k, ofTangents.v, ofValues.q, ofValues.k, ofValues.v};
}

Tensor tangentMeta(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd, const Maybe& vd,
                   const Tensor& queryStarts, const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                   std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                   int64_t stream) {
  checkShapes(q, k, v, {queryStarts, keyStarts},
              AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream}.settings());
  checkRowCounts({queryStarts, keyStarts});
  checkTangents({q, k, v}, {orNone(qd), orNone(kd), orNone(vd)});
  return at::empty(q.sizes(), q.options());
}

Six tangentBackwardMeta(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd,
                        const Maybe& vd, const Tensor& g, const Maybe& gd, const Tensor& queryStarts,
                        const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
                        std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                        int64_t stream) {
  checkShapes(q, k, v, {queryStarts, keyStarts},
              AttentionGiven{heads, kvHeads, scale, before, after, p, seed, stream}.settings());
  checkRowCounts({queryStarts, keyStarts});
  checkTangents({q, k, v}, {orNone(qd), orNone(kd), orNone(vd)}, {g, orNone(gd)});
  const Three tangents = emptyLike({q, k, v}), values = emptyLike({q, k, v});
  return {tangents.q, tangents.k, tangents.v, values.q, values.k, values.v};
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention_tangent", [](OperatorLibrary& library) {
  library.define<tangentCpu, tangentMeta, NoDerivative::refuse>(
      "attention_tangent(Tensor query, Tensor key, Tensor value, Tensor? query_tangent, Tensor? key_tangent, Tensor? "
      "value_tangent, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int kv_heads, float scale, *, int? "
      "before=None, int? after=None, float p=0., int seed=0, int stream=0) -> Tensor");
  library.define<tangentBackwardCpu, tangentBackwardMeta, NoDerivative::refuse>(
      "attention_tangent_backward(Tensor query, Tensor key, Tensor value, Tensor? query_tangent, Tensor? key_tangent, "
      "Tensor? value_tangent, Tensor grad, Tensor? grad_tangent, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, "
      "int kv_heads, float scale, *, int? before=None, int? after=None, float p=0., int seed=0, int stream=0) -> "
      "(Tensor query_grad_tangent, Tensor key_grad_tangent, Tensor value_grad_tangent, Tensor query_grad, Tensor "
      "key_grad, Tensor value_grad)");
});

}  // namespace
}  // namespace bidora::attentionTangent
