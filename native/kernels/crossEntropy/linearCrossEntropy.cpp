// The cross-entropies of x·Wᵀ + b, summed or each, computed in chunks of rows, so that the logits of all rows never
// exist at once. The requested gradients are computed with the loss, while a chunk's logits exist: of each row's own
// only that of x. Shapes: x [K, H], W [V, H], b [V], targets [K] of 0 … V − 1.
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "functions.h"
#include "kernels/common/differentiable.h"
#include "kernels/linear/operands.h"
#include "kernels/packed/packedWeight.h"
#include "kernels/products/frozenProduct.h"

namespace bidora::linearCrossEntropy {
namespace {

using at::Tensor;

constexpr int64_t kBytesOfChunk = 32 << 20, kLeastRows = 48;  // with fewer rows, reading W is most of the work
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

  // Calls use(first row, count) for each chunk in turn.
  template <typename Use>
  void forEachChunk(Use use) const {
    for (int64_t row = 0; row < rows(); row += chunk) use(row, std::min(chunk, rows() - row));
  }
};

void checkShapes(const Tensor& hidden, const Tensor& weight, const Maybe& bias, const Tensor& targets,
                 const Maybe& packed, int64_t chunk) {
  checkLayer(hidden, weight, bias);
  checkPacked(packed, weight);
  TORCH_CHECK(hidden.dim() == 2 && weight.size(0) > 0 && isOfOutputs(bias, weight),
              "expected an input of [K, in], a weight of [out, in] and a bias of [out], got ", hidden.sizes(), " and ",
              weight.sizes());
  TORCH_CHECK(targets.defined() && targets.scalar_type() == at::kLong && targets.dim() == 1 &&
                  targets.size(0) == hidden.size(0),
              "expected a target for each row, [", hidden.size(0), "] int64, got ", targets.sizes(), ' ',
              targets.scalar_type());
  TORCH_CHECK(chunk >= 0, "expected a chunk of at least 1 row, or 0 for the default, got ", chunk);
}

void checkTargets(const Tensor& weight, const Tensor& targets) {
  const Tensor all = targets.contiguous();
  const auto* first = all.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < all.numel(); ++i)
    TORCH_CHECK(first[i] >= 0 && first[i] < weight.size(0), "expected targets of 0 to ", weight.size(0) - 1, ", got ",
                first[i], " for row ", i);
}

// gradient·W, [rows, in]. In float32 a single sum over the whole vocabulary would lose digits, so partial sums are
// added. In bfloat16 that would cost more than it gains.
void transposedProductInto(const Tensor& result, const Tensor& gradient, const Tensor& weight) {
  if (weight.scalar_type() != at::kFloat) {
    result.copy_(transposedProduct(gradient, weight));
    return;
  }
  result.zero_();
  for (int64_t v = 0; v < weight.size(0); v += kDepthAtOnce) {
    const int64_t depth = std::min(kDepthAtOnce, weight.size(0) - v);
    result.add_(transposedProduct(gradient.narrow(1, v, depth), denseRows(weight, v, depth)));
  }
}

// The gradients, undefined unless requested; those of W and b are in the accumulation type.
struct Gradients {
  Tensor hidden, weight, bias;

  Gradients(const Operands& of, bool wantsHidden, bool wantsWeight, bool wantsBias) {
    const auto wide = of.hidden.options().dtype(sumType(of.hidden));
    if (wantsHidden) hidden = emptyLike(of.hidden);
    if (wantsWeight) weight = at::zeros(of.weight.plain.sizes(), wide);
    if (wantsBias) bias = at::zeros({of.weight.plain.size(0)}, wide);
  }

  bool isWanted() const { return hidden.defined() || weight.defined() || bias.defined(); }

  // Adds the contribution of the chunk that begins at `row`, given the gradients of its logits.
  void add(const Operands& of, const Tensor& logits, int64_t row) const {
    const int64_t count = logits.size(0);
    if (hidden.defined()) transposedProductInto(hidden.narrow(0, row, count), logits, of.weight.plain);
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
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      functions<CrossEntropyFunctions, T>().crossEntropy(call, begin, end);
    });
    gradients.add(of, logits, row);
  });
}

// The loss or losses, the number of targets with the largest logit, and the gradients of x, W and b, undefined unless
// requested.
using Results = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;
using Wants = std::array<bool, 3>;

Results forwardKernel(const Tensor& hidden, const Tensor& weight, const Maybe& bias, const Tensor& targets,
                      const Maybe& packed, int64_t chunk, bool each, Wants wants) {
  checkShapes(hidden, weight, bias, targets, packed, chunk);
  TORCH_CHECK(!each || !(wants[1] || wants[2]), "the losses of each row have no gradient of the weight and the bias");
  if (!hidden.is_meta()) checkTargets(weight, targets);
  const Operands of(hidden, weight, bias, targets, packed, chunk);
  const Gradients gradients(of, wants[0], wants[1], wants[2]);
  const std::vector<int64_t> ofRows{of.rows()}, ofAll;
  const Tensor loss = at::empty(each ? ofRows : ofAll, hidden.options().dtype(sumType(hidden))),
               correct = at::empty({}, targets.options());
  if (hidden.is_meta()) return {loss, correct, gradients.hidden, gradients.weight, gradients.bias};
  std::vector<uint8_t> hits(of.rows());
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, hidden.scalar_type(), "bidora::linear_cross_entropy", [&] {
    using Sum = SumOf<Stored<scalar_t>>;
    if (each) return lossesOf<scalar_t>(of, gradients, loss.mutable_data_ptr<Sum>(), hits.data());
    std::vector<Sum> losses(of.rows());
    lossesOf<scalar_t>(of, gradients, losses.data(), hits.data());
    loss.fill_(std::accumulate(losses.begin(), losses.end(), 0.0));
  });
  correct.fill_(std::accumulate(hits.begin(), hits.end(), int64_t{0}));
  return {loss, correct, gradients.hidden, gradients.weight, gradients.bias};
}

// The gradients are computed with the loss. That of x is a result too, without rows unless it was requested.
struct LinearCrossEntropy {
  static constexpr int64_t kDifferentiableResults = 1;
  struct Saved {
    Tensor ofHidden, ofWeight, ofBias;
    at::ScalarType type;
    std::vector<Tensor*> tensors() { return {&ofHidden, &ofWeight, &ofBias}; }
  };

  static Forward<std::tuple<Tensor, Tensor, Tensor>, Saved> forward(const Tensor& hidden, const Tensor& weight,
                                                                    const Maybe& bias, const Tensor& targets,
                                                                    const Maybe& packed, int64_t chunk, bool each) {
    const auto wants = [](const Tensor& tensor) { return at::GradMode::is_enabled() && tensor.requires_grad(); };
    const auto [loss, correct, ofHidden, ofWeight, ofBias] =
        callKernel<forwardKernel>("bidora::_linear_cross_entropy", hidden, weight, bias, targets, packed, chunk, each,
                                  Wants{wants(hidden), wants(weight), bias && wants(*bias)});
    const Tensor gradient = ofHidden.defined() ? ofHidden : at::empty({0, hidden.size(1)}, hidden.options());
    return {{loss, gradient, correct}, {ofHidden, ofWeight, ofBias, hidden.scalar_type()}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    refuseSecondDerivative("linear_cross_entropy");
    const auto scaled = [&](const Tensor& gradient) {
      if (!gradient.defined()) return Tensor();
      const Tensor& given = gradients[0];
      return at::mul(gradient, given.dim() == 0 ? given : given.unsqueeze(1)).to(saved.type);
    };
    return {scaled(saved.ofHidden), scaled(saved.ofWeight), scaled(saved.ofBias)};
  }
};

// ∇²L·ẋ with respect to x alone.
Tensor tangent(const Tensor& hidden, const Tensor& hiddenDot, const Tensor& weight, const Maybe& bias, int64_t chunk) {
  checkLayer(hidden, weight, bias);
  checkTangent("input_dot", hiddenDot, hidden);
  TORCH_CHECK(hidden.dim() == 2 && weight.size(0) > 0 && isOfOutputs(bias, weight) && chunk >= 0,
              "expected an input of [K, in], a weight of [out, in] and a bias of [out], got ", hidden.sizes(), " and ",
              weight.sizes());
  const Tensor result = emptyLike(hidden), along = hiddenDot.contiguous();
  if (result.is_meta()) return result;
  const Operands of(hidden, weight, bias, hidden, {}, chunk);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, hidden.scalar_type(), "bidora::linear_cross_entropy_tangent", [&] {
    of.forEachChunk([&](int64_t row, int64_t count) {
      const Tensor logits = frozenProduct(of.hidden.narrow(0, row, count), of.weight, {}, {{}, of.bias}),
                   dots = frozenProduct(along.narrow(0, row, count), of.weight);
      const CrossEntropyTangent<Stored<scalar_t>> call{read<scalar_t>(logits), write<scalar_t>(dots), logits.size(1)};
      at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
        functions<CrossEntropyFunctions, scalar_t>().crossEntropyTangent(call, begin, end);
      });
      transposedProductInto(result.narrow(0, row, count), dots, of.weight.plain);
    });
  });
  return result;
}

[[maybe_unused]] const bool defined = defineOnce("bidora::linear_cross_entropy", [](OperatorLibrary& library) {
  defineDifferentiable<LinearCrossEntropy>(
      library,
      "linear_cross_entropy(Tensor input, Tensor weight, Tensor? bias, Tensor target, *, Tensor? packed=None, int "
      "chunk=0, bool each=False) -> (Tensor loss, Tensor input_gradient, Tensor correct)");
  library.define<forwardKernel, NoDerivative::refuse>(
      "_linear_cross_entropy(Tensor input, Tensor weight, Tensor? bias, Tensor target, Tensor? packed, int chunk, "
      "bool each, bool[3] wants) -> (Tensor loss, Tensor correct, Tensor input_grad, Tensor weight_grad, Tensor "
      "bias_grad)");
  library.define<tangent, NoDerivative::refuse>(
      "linear_cross_entropy_tangent(Tensor input, Tensor input_dot, Tensor weight, Tensor? bias=None, *, int chunk=0) "
      "-> Tensor");
});

}  // namespace
}  // namespace bidora::linearCrossEntropy
