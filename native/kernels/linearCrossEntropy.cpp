// The sum of the cross-entropies of x·Wᵀ + b, a chunk of rows at a time, so that the logits of all rows are never
// there. Where gradients are wanted they are computed along with the value, from the chunk's logits: there they are at
// hand. Shapes: x [K, H], W [V, H], b [V], targets [K] of 0 … V − 1.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "frozenProduct.h"
#include "layerOperands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Maybe = std::optional<Tensor>;

constexpr int64_t kBytesOfChunk = 32 << 20, kLeastRows = 48;  // of fewer, reading W is most of the work
constexpr int64_t kColumnsAtOnce = 4096;                      // of the weight's gradient
constexpr int64_t kDepthAtOnce = 1024;                        // of a sum over the tokens of the vocabulary

struct Operands {
  Tensor hidden, bias, targets;
  FrozenWeight weight;
  int64_t chunk;  // rows

  Operands(const Tensor& x, const Tensor& w, const Maybe& b, const Tensor& of, const Maybe& packed, int64_t rows)
      : hidden(x.contiguous()), bias(contiguousOrNone(orNone(b))), targets(of.contiguous()), weight{w, orNone(packed)} {
    const int64_t bytes = w.size(0) * w.element_size();
    chunk = rows > 0 ? rows : std::max(kLeastRows, kBytesOfChunk / bytes / 12 * 12);
  }

  int64_t rows() const { return hidden.size(0); }

  // use(first row, count) for one chunk after the other.
  template <typename Use>
  void forEachChunk(Use use) const {
    for (int64_t row = 0; row < rows(); row += chunk) use(row, std::min(chunk, rows() - row));
  }
};

void check(const Tensor& hidden, const Tensor& weight, const Maybe& bias, const Tensor& targets, const Maybe& packed,
           int64_t chunk) {
  checkLayer(hidden, weight, bias);
  checkPacked(packed, weight);
  TORCH_CHECK(hidden.dim() == 2 && weight.size(0) > 0 && isOfOutputs(bias, weight),
              "expected an input of [K, in], a weight of [out, in] and a bias of [out], got ", hidden.sizes(), " and ",
              weight.sizes());
  TORCH_CHECK(targets.defined() && targets.device().is_cpu() && targets.scalar_type() == at::kLong &&
                  targets.dim() == 1 && targets.size(0) == hidden.size(0),
              "expected a target of each row, [", hidden.size(0), "] int64 on the CPU, got ", targets.sizes(), ' ',
              targets.scalar_type(), " on ", targets.device());
  TORCH_CHECK(chunk >= 0, "expected a chunk of 1 row or more, or 0 for the usual one, got ", chunk);
  const Tensor all = targets.contiguous();
  const auto* first = all.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < all.numel(); ++i)
    TORCH_CHECK(first[i] >= 0 && first[i] < weight.size(0), "expected targets of 0 to ", weight.size(0) - 1, ", got ",
                first[i], " for row ", i);
}

// gradient·W, [rows, in]. In float32 one sum over so many tokens as a vocabulary has would lose digits: those of parts
// are added. Narrow numbers have fewer to lose than adding them would cost.
void turnedProductInto(const Tensor& result, const Tensor& gradient, const Tensor& weight) {
  if (weight.scalar_type() != at::kFloat) {
    result.copy_(turnedProduct(gradient, weight));
    return;
  }
  result.zero_();
  for (int64_t v = 0; v < weight.size(0); v += kDepthAtOnce) {
    const int64_t depth = std::min(kDepthAtOnce, weight.size(0) - v);
    result.add_(turnedProduct(gradient.narrow(1, v, depth), weight.narrow(0, v, depth)));
  }
}

// What is computed beside the loss, undefined where it is not wanted; the gradients of W and b in wide numbers.
struct Gradients {
  Tensor hidden, weight, bias;

  Gradients(const Operands& of, bool wantsHidden, bool wantsWeight, bool wantsBias) {
    const auto wide = of.hidden.options().dtype(sumType(of.hidden));
    if (wantsHidden) hidden = at::empty(of.hidden.sizes(), of.hidden.options());
    if (wantsWeight) weight = at::zeros(of.weight.plain.sizes(), wide);
    if (wantsBias) bias = at::zeros({of.weight.plain.size(0)}, wide);
  }

  bool isWanted() const { return hidden.defined() || weight.defined() || bias.defined(); }

  // From those of the logits of a chunk that begins at `row`.
  void add(const Operands& of, const Tensor& logits, int64_t row) const {
    const int64_t count = logits.size(0);
    if (hidden.defined()) turnedProductInto(hidden.narrow(0, row, count), logits, of.weight.plain);
    if (bias.defined()) bias.add_(at::sum(logits, {0}, false, bias.scalar_type()));
    if (!weight.defined()) return;
    const Tensor x = of.hidden.narrow(0, row, count);
    for (int64_t v = 0; v < weight.size(0); v += kColumnsAtOnce) {
      const int64_t columns = std::min(kColumnsAtOnce, weight.size(0) - v);
      weight.narrow(0, v, columns).add_(at::mm(logits.narrow(1, v, columns).t(), x));
    }
  }
};

template <typename T>
void lossesOf(const Operands& of, const Gradients& gradients, SumOf<Stored<T>>* losses, uint8_t* hits) {
  of.forEachChunk([&](int64_t row, int64_t count) {
    const Tensor logits = frozenProduct(of.hidden.narrow(0, row, count), of.weight, {}, {{}, of.bias});
    const CrossEntropy<Stored<T>> call{.logits = write<T>(logits),
                                       .targets = of.targets.const_data_ptr<int64_t>() + row,
                                       .columns = logits.size(1),
                                       .wantsGradient = gradients.isWanted(),
                                       .losses = losses + row,
                                       .hits = hits + row};
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) { functions<T>().crossEntropy(call, begin, end); });
    gradients.add(of, logits, row);
  });
}

struct LinearCrossEntropyFunction : torch::autograd::Function<LinearCrossEntropyFunction> {
  static variable_list forward(AutogradContext* context, const Tensor& hidden, const Tensor& weight, const Maybe& bias,
                               const Tensor& targets, const Maybe& packed, int64_t chunk, bool wantsHidden,
                               bool wantsWeight, bool wantsBias) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const Operands of(hidden, weight, bias, targets, packed, chunk);
    const Gradients gradients(of, wantsHidden, wantsWeight, wantsBias);
    const Tensor loss = at::empty({}, hidden.options().dtype(sumType(hidden))),
                 correct = at::empty({}, targets.options());
    std::vector<uint8_t> hits(of.rows());
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, hidden.scalar_type(), "bidora::linear_cross_entropy", [&] {
      std::vector<SumOf<Stored<scalar_t>>> losses(of.rows());
      lossesOf<scalar_t>(of, gradients, losses.data(), hits.data());
      loss.fill_(std::accumulate(losses.begin(), losses.end(), 0.0));
    });
    correct.fill_(std::accumulate(hits.begin(), hits.end(), int64_t{0}));
    const Tensor gradient = wantsHidden ? gradients.hidden : at::empty({0, hidden.size(1)}, hidden.options());
    context->save_for_backward({gradient, gradients.weight, gradients.bias});
    context->mark_non_differentiable({gradient, correct});
    context->saved_data["wantsHidden"] = wantsHidden;
    context->saved_data["dtype"] = static_cast<int64_t>(hidden.scalar_type());
    return {loss, gradient, correct};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "bidora::linear_cross_entropy has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const auto type = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    const at::Scalar scale = gradients[0].item();
    const auto scaled = [&](const Tensor& gradient) {
      return gradient.defined() ? at::mul(gradient, scale).to(type) : Tensor();
    };
    const Tensor ofHidden = context->saved_data["wantsHidden"].toBool() ? scaled(saved[0]) : Tensor();
    return {ofHidden, scaled(saved[1]), scaled(saved[2]), {}, {}, {}, {}, {}, {}};
  }
};

std::tuple<Tensor, Tensor, Tensor> linearCrossEntropy(const Tensor& hidden, const Tensor& weight, const Maybe& bias,
                                                      const Tensor& targets, const Maybe& packed, int64_t chunk) {
  check(hidden, weight, bias, targets, packed, chunk);
  const auto wants = [](const Tensor& tensor) { return at::GradMode::is_enabled() && tensor.requires_grad(); };
  const auto results = LinearCrossEntropyFunction::apply(hidden, weight, bias, targets, packed, chunk, wants(hidden),
                                                         wants(weight), bias && wants(*bias));
  return {results[0], results[1], results[2]};
}

// ∇²L·ẋ with respect to x alone.
Tensor tangent(const Tensor& hidden, const Tensor& hiddenDot, const Tensor& weight, const Maybe& bias, int64_t chunk) {
  refuseGradients("bidora::linear_cross_entropy_tangent", {hidden, hiddenDot, weight});
  checkLayer(hidden, weight, bias);
  checkTangent("input_dot", hiddenDot, hidden);
  TORCH_CHECK(hidden.dim() == 2 && weight.size(0) > 0 && isOfOutputs(bias, weight) && chunk >= 0,
              "expected an input of [K, in], a weight of [out, in] and a bias of [out], got ", hidden.sizes(), " and ",
              weight.sizes());
  const Operands of(hidden, weight, bias, hidden, {}, chunk);
  const Tensor result = at::empty(hidden.sizes(), hidden.options()), along = hiddenDot.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, hidden.scalar_type(), "bidora::linear_cross_entropy_tangent", [&] {
    of.forEachChunk([&](int64_t row, int64_t count) {
      const Tensor logits = frozenProduct(of.hidden.narrow(0, row, count), of.weight, {}, {{}, of.bias}),
                   dots = frozenProduct(along.narrow(0, row, count), of.weight);
      const CrossEntropyTangent<Stored<scalar_t>> call{read<scalar_t>(logits), write<scalar_t>(dots), logits.size(1)};
      at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
        functions<scalar_t>().crossEntropyTangent(call, begin, end);
      });
      turnedProductInto(result.narrow(0, row, count), dots, of.weight.plain);
    });
  });
  return result;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::linear_cross_entropy", [](torch::Library& library) {
  library.def(
      "linear_cross_entropy(Tensor input, Tensor weight, Tensor? bias, Tensor target, *, Tensor? packed=None, int "
      "chunk=0) -> (Tensor loss, Tensor input_gradient, Tensor correct)",
      linearCrossEntropy);
  library.def(
      "linear_cross_entropy_tangent(Tensor input, Tensor input_dot, Tensor weight, Tensor? bias=None, *, int chunk=0) "
      "-> Tensor",
      tangent);
});

}  // namespace
}  // namespace bidora
