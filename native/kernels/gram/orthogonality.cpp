// BiDoRA's regularizer of all layers as one operator, with its gradient in the same pass: the mean over layers of
//
//     R = ‖DᵀD − I‖_F,  D = V·diag(w)^½,  V = W + s·B·A,  w = 1/‖v‖² of each column
//
// without V or DᵀD. Shapes: W [out, in], A [r, in], B [out, r]; G = WᵀW in tiles (lowRankGram.cpp) and its diagonal
// [in]. With A' = s·A, C = BᵀB, Z = WᵀB + ½·A'ᵀC (written [r, in]) and M = [A'; Z], [2r, in]:
//
//     VᵀV = G + A'ᵀZ + ZᵀA',   S = M·diag(w)·Mᵀ,   S' = S with its halves swapped
//     R² = wᵀ(G∘G)w + 4·⟨(A'∘w)·G, Z∘w⟩ + ⟨S, S'⟩ − in + 2·zeros
//
// One thread computes each layer, so that the result does not depend on the number of threads.
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/le.h>
#include <ATen/ops/min.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <vector>

#include "kernels/common/differentiable.h"
#include "kernels/direction/weightProducts.h"
#include "kernels/linear/operands.h"
#include "lowRankGram.h"

namespace bidora::orthogonality {
namespace {

using at::Tensor;
using at::TensorList;

// A difference below the share `cancellation` of its terms has lost too many digits; squared norms of at most
// `smallest` count as zero.
struct Limits {
  double cancellation, smallest;
};

struct Layer {
  Tensor weight, tiles, diagonal, a, b;
  double scale;
};

// R and its gradients. They are not whole if terms cancel: then R has to be computed by its definition.
struct Term {
  bool isWhole = false;
  double value = 0;
  Tensor ofA, ofB;
};

void check(const Layer& layer) {
  const auto& [weight, tiles, diagonal, a, b, scale] = layer;
  checkOperands({&tiles, &diagonal});
  checkFactors(weight, a, b);
  TORCH_CHECK(diagonal.dim() == 1 && diagonal.size(0) == weight.size(1), "expected a diagonal of [", weight.size(1),
              "], got ", diagonal.sizes());
  TORCH_CHECK(a.scalar_type() == b.scalar_type() && a.scalar_type() == sumType(weight), "expected A and B of ",
              sumType(weight), " for a weight of ", weight.scalar_type(), ", got ", a.scalar_type(), " and ",
              b.scalar_type());
}

double sumOfProducts(const Tensor& a, const Tensor& b) { return at::sum(at::mul(a, b), at::kDouble).item<double>(); }

// The tensors that the gradients need.
struct Pieces {
  Tensor a /* A' */, b, c, m, w, swapped /* S' */, squares /* (G∘G)w */, gram /* (M∘w)·G, its halves swapped */;
  double scale;
};

void differentiate(const Layer& layer, const Pieces& of, double factor, Term& term) {
  const int64_t rank = of.a.size(0);
  const Tensor own = at::mm(of.swapped, of.m).mul_(2);  // half of the gradient of M∘w through S
  Tensor ofM = at::add(own, of.gram, 4);
  const Tensor ofW = at::sum(at::mul(of.m, ofM), 0).add_(of.squares, 2);
  const Tensor ofSquare = ofW.mul(of.w).mul_(of.w).neg_();  // w = 1 / n²
  ofM.add_(own).mul_(of.w).addcmul_(at::roll(of.m, rank, 0), ofSquare, 2);
  const Tensor ofA = ofM.narrow(0, 0, rank), ofZ = ofM.narrow(0, rank, rank);
  ofA.addmm_(of.c, ofZ, 1, 0.5);
  const Tensor ofC = at::mm(ofZ, of.a.t()).mul_(0.5);
  term.ofA = at::mul(ofA, layer.scale * factor);
  term.ofB = weightTimesTransposed(layer.weight, ofZ).addmm_(of.b, at::add(ofC, ofC.t())).mul_(factor);
}

// (G∘G)·w, and both halves of (M∘w)·G. If G is much larger than W, the latter are computed as (M∘w)·Wᵀ·W, with half the
// work or less.
GramProducts multiply(const Layer& layer, const Tensor& w, const Tensor& low, const Tensor& high) {
  const auto& [weight, tiles, diagonal, a, b, scale] = layer;
  if (2 * weight.size(0) > weight.size(1)) return multiplyGram(tiles, diagonal, w, low, high, 1);
  const Tensor nothing = low.narrow(0, 0, 0), both = at::cat({low, high});
  const Tensor products = transposedTimesWeight(weightTimesTransposed(weight, both), weight);
  return {multiplyGram(tiles, diagonal, w, nothing, nothing, 1).squares, products.narrow(0, 0, low.size(0)),
          products.narrow(0, low.size(0), high.size(0))};
}

Term compute(const Layer& layer, const Limits& limits, bool isDifferentiated) {
  const int64_t rank = layer.a.size(0), columns = layer.a.size(1);
  Term term;
  Pieces of;
  of.a = at::mul(layer.a, layer.scale);
  of.b = layer.b.contiguous();
  of.c = at::mm(of.b.t(), of.b);
  const Tensor cA = at::mm(of.c, of.a);
  of.m = at::cat({of.a, transposedTimesWeight(of.b, layer.weight).add_(cA, 0.5)});
  const Tensor squares = at::add(layer.diagonal, at::sum(at::mul(of.a, of.m.narrow(0, rank, rank)), 0), 2);
  const Tensor positive = at::add(layer.diagonal, at::sum(at::mul(of.a, cA), 0));
  const Tensor isZero = at::le(positive, limits.smallest);
  const double zeros = at::sum(isZero).item<double>();
  if (zeros > 0) squares.masked_fill_(isZero, std::numeric_limits<double>::infinity());
  if (columns == 0 || at::min(at::sub(squares, positive, limits.cancellation)).item<double>() <= 0) return term;
  of.w = at::reciprocal(squares);
  const Tensor weighted = at::mul(of.m, of.w), low = weighted.narrow(0, 0, rank), high = weighted.narrow(0, rank, rank);
  const GramProducts products = multiply(layer, of.w, low, high);
  const Tensor s = at::mm(weighted, of.m.t());
  of.swapped = at::roll(s, {rank, rank}, {0, 1});
  const double squared = sumOfProducts(of.w, products.squares) + 4 * sumOfProducts(products.p, high) +
                         sumOfProducts(s, of.swapped) - static_cast<double>(columns) + 2 * zeros;
  if (squared <= limits.cancellation * static_cast<double>(columns)) return term;
  term.isWhole = true;
  term.value = std::sqrt(squared);
  if (!isDifferentiated) return term;
  of.squares = products.squares;
  of.gram = at::cat({products.q, products.p});
  differentiate(layer, of, 0.5 / term.value, term);
  return term;
}

// The largest layers first, so that no thread starts a large one when the others are done.
std::vector<size_t> byWork(const std::vector<Layer>& layers) {
  std::vector<size_t> order(layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return layers[a].tiles.numel() > layers[b].tiles.numel(); });
  return order;
}

std::vector<Term> computeAll(const std::vector<Layer>& layers, const Limits& limits, bool isDifferentiated) {
  std::vector<Term> terms(layers.size());
  const std::vector<size_t> order = byWork(layers);
  std::atomic<size_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t begin, int64_t end) {
    const at::AutoDispatchBelowADInplaceOrView below;
    for (int64_t worker = begin; worker < end; ++worker)
      for (size_t k = next++; k < order.size(); k = next++)
        terms[order[k]] = compute(layers[order[k]], limits, isDifferentiated);
  });
  return terms;
}

void checkCounts(TensorList weights, TensorList tiles, TensorList diagonals, TensorList a, TensorList b,
                 at::ArrayRef<double> scales) {
  const size_t count = weights.size();
  TORCH_CHECK(count > 0 && tiles.size() == count && diagonals.size() == count && a.size() == count &&
                  b.size() == count && scales.size() == count,
              "expected as many tiles, diagonals, A, B and scales as weights, and at least one weight");
}

std::vector<Layer> layersOf(TensorList weights, TensorList tiles, TensorList diagonals, TensorList a, TensorList b,
                            at::ArrayRef<double> scales) {
  checkCounts(weights, tiles, diagonals, a, b, scales);
  std::vector<Layer> layers;
  for (size_t i = 0; i < weights.size(); ++i) {
    layers.push_back({weights[i], tiles[i], diagonals[i], a[i].detach(), b[i].detach(), scales[i]});
    check(layers.back());
    TORCH_CHECK(!weights[i].requires_grad(), "expected frozen weights");
    TORCH_CHECK(a[i].scalar_type() == a[0].scalar_type(), "expected A and B of all layers in the same dtype");
  }
  return layers;
}

// The mean, whether it is whole, and if requested the gradients of all layers' A, then of their B.
using Results = std::tuple<Tensor, Tensor, std::vector<Tensor>>;

Results forwardKernel(TensorList weights, TensorList tiles, TensorList diagonals, TensorList a, TensorList b,
                      at::ArrayRef<double> scales, double cancellation, double smallest, bool isDifferentiated) {
  const std::vector<Layer> layers = layersOf(weights, tiles, diagonals, a, b, scales);
  const size_t count = layers.size();
  std::vector<Tensor> gradients(isDifferentiated ? 2 * count : 0);
  if (a[0].is_meta()) {
    for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = emptyLike(i < count ? a[i] : b[i - count]);
    return {at::empty({}, a[0].options()), at::empty({}, a[0].options().dtype(at::kBool)), gradients};
  }
  const std::vector<Term> terms = computeAll(layers, Limits{cancellation, smallest}, isDifferentiated);
  double total = 0;
  bool isWhole = true;
  for (size_t i = 0; i < count; ++i) {
    total += terms[i].value;
    isWhole = isWhole && terms[i].isWhole;
    if (!isDifferentiated) continue;
    gradients[i] = terms[i].ofA;
    gradients[count + i] = terms[i].ofB;
  }
  return {at::scalar_tensor(total / static_cast<double>(count), a[0].options()),
          at::scalar_tensor(isWhole, a[0].options().dtype(at::kBool)), gradients};
}

struct Orthogonality {
  static constexpr int64_t kDifferentiableResults = 1;
  struct Saved {
    std::vector<Tensor> gradients;  // of the sum over layers
    size_t layers;
    std::vector<Tensor*> tensors() {
      std::vector<Tensor*> all;
      all.reserve(gradients.size());
      for (Tensor& gradient : gradients) all.push_back(&gradient);
      return all;
    }
  };

  // Both results are scalars: the mean, and whether it is whole.
  static Forward<std::tuple<Tensor, Tensor>, Saved> forward(TensorList weights, TensorList tiles, TensorList diagonals,
                                                            TensorList a, TensorList b, at::ArrayRef<double> scales,
                                                            double cancellation, double smallest) {
    checkCounts(weights, tiles, diagonals, a, b, scales);  // without tensors there is no device to dispatch by
    const auto isTrained = [](const Tensor& tensor) { return tensor.requires_grad(); };
    const bool isDifferentiated = at::GradMode::is_enabled() && (std::any_of(a.begin(), a.end(), isTrained) ||
                                                                 std::any_of(b.begin(), b.end(), isTrained));
    const auto [value, whole, gradients] = callKernel<forwardKernel>(
        "bidora::_orthogonality", weights, tiles, diagonals, a, b, scales, cancellation, smallest, isDifferentiated);
    return {{value, whole}, {gradients, weights.size()}};
  }

  static variable_list backward(const Saved& saved, const variable_list& given, const Needs&) {
    refuseSecondDerivative("orthogonality");
    const Tensor factor = given[0].to(at::kDouble).div(static_cast<double>(saved.layers));
    variable_list gradients(3 * saved.layers);  // of weights, tiles and diagonals
    for (const Tensor& gradient : saved.gradients)
      gradients.push_back(gradient.defined() ? at::mul(gradient, factor) : Tensor());
    return gradients;
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::orthogonality", [](OperatorLibrary& library) {
  defineDifferentiable<Orthogonality>(
      library,
      "orthogonality(Tensor[] weights, Tensor[] tiles, Tensor[] diagonals, Tensor[] a, Tensor[] b, float[] scales, "
      "float cancellation, float smallest) -> (Tensor value, Tensor whole)");
  library.define<forwardKernel, NoDerivative::refuse>(
      "_orthogonality(Tensor[] weights, Tensor[] tiles, Tensor[] diagonals, Tensor[] a, Tensor[] b, float[] scales, "
      "float cancellation, float smallest, bool differentiated) -> (Tensor value, Tensor whole, Tensor[] gradients)");
  library.allowEmptyLists("orthogonality");
});

}  // namespace
}  // namespace bidora::orthogonality
