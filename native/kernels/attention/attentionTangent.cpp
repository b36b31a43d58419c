// The directional derivatives of attention and of its gradients, along tangents of the queries, keys and values
// (forward over reverse). Weights are recomputed block by block, so that nothing of size N·M is kept; shapes as in
// attention.cpp.
#include <ATen/ops/empty.h>

#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::attentionTangent {
namespace {

using at::Tensor;

// Query, key and value, or their tangents or gradients.
struct Three {
  Tensor q, k, v;
};

Three threeInRows(const Three& x) { return {inRows(x.q), inRows(x.k), inRows(x.v)}; }

template <typename T>
AttentionInputs<Stored<T>> inputsOf(const Three& x, const Tensor& bias = {}) {
  return bidora::inputsOf<T>(x.q, x.k, x.v, bias);
}

Three emptyThree(const Three& x) { return {emptyLike(x.q), emptyLike(x.k), emptyLike(x.v)}; }

void checkTangents(const Three& x, const Three& tangents) {
  checkTangent("query", tangents.q, x.q);
  checkTangent("key", tangents.k, x.k);
  checkTangent("value", tangents.v, x.v);
}

Tensor tangent(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd, const Maybe& vd,
               const Tensor& queryStarts, const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale,
               const Maybe& bias, std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
               int64_t stream) {
  const AttentionSettings settings{heads, kvHeads, scale, before, after, p, seed, stream};
  const AttentionStarts starts{queryStarts, keyStarts};
  const Three inputs{q, k, v}, tangents{orNone(qd), orNone(kd), orNone(vd)};
  checkAttention(q, k, v, bias, starts, settings);
  checkTangents(inputs, tangents);
  const Tensor out = emptyLike(q);
  if (!isComputed(out)) return out;
  const Three x = threeInRows(inputs), xd = threeInRows(tangents);
  const Tensor added = contiguousOrNone(orNone(bias));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, out.scalar_type(), "bidora::attention_tangent", [&] {
    const AttentionShape shape = shapeOf(x.q, starts, settings);
    forEachThread(shape.rows * shape.heads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendTangent(
          shape, inputsOf<scalar_t>(x, added), inputsOf<scalar_t>(xd), writableRows<scalar_t>(out), next);
    });
  });
  return out;
}

using Six = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

// From the output's gradient and its tangent.
Six tangentBackward(const Tensor& q, const Tensor& k, const Tensor& v, const Maybe& qd, const Maybe& kd,
                    const Maybe& vd, const Tensor& gradient, const Maybe& gradientTangent, const Tensor& queryStarts,
                    const Tensor& keyStarts, int64_t heads, int64_t kvHeads, double scale, const Maybe& bias,
                    std::optional<int64_t> before, std::optional<int64_t> after, double p, int64_t seed,
                    int64_t stream) {
  const AttentionSettings settings{heads, kvHeads, scale, before, after, p, seed, stream};
  const AttentionStarts starts{queryStarts, keyStarts};
  const Three inputs{q, k, v}, tangents{orNone(qd), orNone(kd), orNone(vd)};
  checkAttention(q, k, v, bias, starts, settings);
  checkTangents(inputs, tangents);
  checkTangent("gradient", gradient, q);
  checkTangent("gradient", orNone(gradientTangent), q);
  const Three ofTangents = emptyThree(inputs), ofValues = emptyThree(inputs);
  const Six results{ofTangents.q, ofTangents.k, ofTangents.v, ofValues.q, ofValues.k, ofValues.v};
  if (!isComputed(ofValues.q)) return results;
  const Three x = threeInRows(inputs), xd = threeInRows(tangents);
  const Tensor added = contiguousOrNone(orNone(bias));
  const Tensor g = inRows(gradient), gd = inRows(orNone(gradientTangent));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, g.scalar_type(), "bidora::attention_tangent_backward", [&] {
    const AttentionShape shape = shapeOf(x.q, starts, settings);
    const AttentionTangentGradients<Stored<scalar_t>> gradients{.out = rowsOf<scalar_t>(g),
                                                                .outTangent = rowsOf<scalar_t>(gd),
                                                                .qTangent = writableRows<scalar_t>(ofTangents.q),
                                                                .kTangent = writableRows<scalar_t>(ofTangents.k),
                                                                .vTangent = writableRows<scalar_t>(ofTangents.v),
                                                                .q = writableRows<scalar_t>(ofValues.q),
                                                                .k = writableRows<scalar_t>(ofValues.k),
                                                                .v = writableRows<scalar_t>(ofValues.v)};
    forEachThread(shape.rows * shape.kvHeads, [&](int64_t& next) {
      functions<AttentionFunctions, scalar_t>().attendTangentBackward(shape, inputsOf<scalar_t>(x, added),
                                                                      inputsOf<scalar_t>(xd), gradients, next);
    });
  });
  return results;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention_tangent", [](OperatorLibrary& library) {
  library.define<tangent, NoDerivative::refuse>(
      "attention_tangent(Tensor query, Tensor key, Tensor value, Tensor? query_tangent, Tensor? key_tangent, Tensor? "
      "value_tangent, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, int kv_heads, float scale, *, Tensor? "
      "bias=None, int? before=None, int? after=None, float p=0., int seed=0, int stream=0) -> Tensor");
  library.define<tangentBackward, NoDerivative::refuse>(
      "attention_tangent_backward(Tensor query, Tensor key, Tensor value, Tensor? query_tangent, Tensor? key_tangent, "
      "Tensor? value_tangent, Tensor grad, Tensor? grad_tangent, Tensor cu_seqlens_q, Tensor cu_seqlens_k, int heads, "
      "int kv_heads, float scale, *, Tensor? bias=None, int? before=None, int? after=None, float p=0., int seed=0, int "
      "stream=0) -> (Tensor query_grad_tangent, Tensor key_grad_tangent, Tensor value_grad_tangent, Tensor query_grad, "
      "Tensor key_grad, Tensor value_grad)");
});

}  // namespace
}  // namespace bidora::attentionTangent
