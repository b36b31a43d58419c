// The directional derivatives of row_norm and dropout_add_norm and of their gradients, along tangents of the input and
// the residual (forward over reverse). Weight and bias are frozen. Shapes: x [..., H], N rows in all; with a residual
// [N, H].
#include "kernels/common/registration.h"
#include "operands.h"

namespace bidora::normTangents {
namespace {

using at::Tensor;
using Two = std::tuple<Tensor, Tensor>;
using Four = std::tuple<Tensor, Tensor, Tensor, Tensor>;

// Without a residual, its tangent is undefined too.
struct Operands {
  Tensor x, residual, weight, xd, residuald;
  NormSettings settings;
};

// Gradients of the normalized rows and of the sums, with their tangents; a missing one means 0.
struct Changes {
  Tensor normed, normedTangent, sum, sumTangent;
};

void checkTangents(const Operands& of) {
  checkTangent("input", of.xd, of.x);
  if (of.residual.defined()) checkTangent("residual", of.residuald, of.residual);
}

void checkTangents(const Operands& of, const Changes& changes) {
  checkTangents(of);
  for (const Tensor* change : {&changes.normed, &changes.normedTangent, &changes.sum, &changes.sumTangent})
    checkTangent("gradient", *change, of.x);
}

// Runs work(norm, first row, end, scratch) on all threads.
template <typename T, typename Work>
void forTangentRows(const Operands& given, Work work) {
  const Tensor x = given.x.contiguous(), residual = contiguousOrNone(given.residual),
               weight = given.weight.contiguous(), xd = contiguousOrNone(given.xd),
               residuald = contiguousOrNone(given.residuald);
  const NormTangent<Stored<T>> norm{.x = read<T>(x),
                                    .residual = read<T>(residual),
                                    .weight = read<T>(weight),
                                    .xd = read<T>(xd),
                                    .residuald = read<T>(residuald),
                                    .size = x.size(-1),
                                    .epsilon = given.settings.epsilon,
                                    .isCentered = given.settings.isCentered,
                                    .dropping = given.settings.dropping};
  constexpr int64_t kScratchRows = 4;
  forRows<SumOf<T>>(
      x.numel() / norm.size, norm.size,
      [&](int64_t begin, int64_t end, SumOf<T>* scratch) { work(norm, begin, end, scratch); }, kScratchRows);
}

Two tangent(const Operands& of) {
  const auto forResidual = [&] { return of.residual.defined() ? emptyLike(of.x) : Tensor(); };
  const Tensor normed = emptyLike(of.x), sum = forResidual();
  if (!isComputed(normed)) return {normed, sum};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::norm_tangent", [&] {
    forTangentRows<scalar_t>(of, [&](const auto& norm, int64_t begin, int64_t end, auto* scratch) {
      functions<NormFunctions, scalar_t>().normTangent(norm, write<scalar_t>(normed), write<scalar_t>(sum), begin, end,
                                                       scratch);
    });
  });
  return {normed, sum};
}

// The tangents of the gradients of x and of the residual, and the gradients.
Four tangentBackward(const Operands& of, const Changes& given) {
  const auto forResidual = [&] { return of.residual.defined() ? emptyLike(of.x) : Tensor(); };
  const Tensor ofXTangent = emptyLike(of.x), ofResidualTangent = forResidual(), ofX = emptyLike(of.x),
               ofResidual = forResidual();
  const Four results{ofXTangent, ofResidualTangent, ofX, ofResidual};
  if (!isComputed(ofX)) return results;
  const Changes changes{given.normed.contiguous(), contiguousOrNone(given.normedTangent), contiguousOrNone(given.sum),
                        contiguousOrNone(given.sumTangent)};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, of.x.scalar_type(), "bidora::norm_tangent", [&] {
    const NormTangentGradient<Stored<scalar_t>> gradient{.normed = read<scalar_t>(changes.normed),
                                                         .normedTangent = read<scalar_t>(changes.normedTangent),
                                                         .sum = read<scalar_t>(changes.sum),
                                                         .sumTangent = read<scalar_t>(changes.sumTangent),
                                                         .ofXTangent = write<scalar_t>(ofXTangent),
                                                         .ofResidualTangent = write<scalar_t>(ofResidualTangent),
                                                         .ofX = write<scalar_t>(ofX),
                                                         .ofResidual = write<scalar_t>(ofResidual)};
    forTangentRows<scalar_t>(of, [&](const auto& norm, int64_t begin, int64_t end, auto* scratch) {
      functions<NormFunctions, scalar_t>().normTangentBackward(norm, gradient, begin, end, scratch);
    });
  });
  return results;
}

Operands rowNorm(const char* name, const Tensor& x, const Tensor& weight, double epsilon, const Tensor& xd,
                 bool isCentered) {
  checkNormWeights(x, weight, std::nullopt);
  TORCH_CHECK(!weight.requires_grad(), name, ": expected a frozen weight, since it has no tangent");
  return {x, {}, weight, xd, {}, {epsilon, isCentered, {}}};
}

Tensor rowNormTangent(const Tensor& x, const Tensor& weight, double epsilon, const Tensor& xd, bool isCentered) {
  const Operands of = rowNorm("bidora::row_norm_tangent", x, weight, epsilon, xd, isCentered);
  checkTangents(of);
  return std::get<0>(tangent(of));
}

Two rowNormTangentBackward(const Tensor& x, const Tensor& weight, double epsilon, const Maybe& xd, const Tensor& g,
                           const Maybe& gd, bool isCentered) {
  const Operands of = rowNorm("bidora::row_norm_tangent_backward", x, weight, epsilon, orNone(xd), isCentered);
  const Changes changes{g, orNone(gd), {}, {}};
  checkTangents(of, changes);
  const auto [ofXTangent, ofResidualTangent, ofX, ofResidual] = tangentBackward(of, changes);
  return {ofXTangent, ofX};
}

Operands dropoutAddNorm(const char* name, const Tensor& x, const Tensor& residual, const Tensor& weight,
                        const Maybe& bias, const Maybe& xd, const Maybe& residuald, const NormSettings& settings) {
  checkNorm(x, residual, weight, bias);
  TORCH_CHECK(!weight.requires_grad() && !(bias && bias->requires_grad()), name,
              ": expected a frozen weight and bias, since neither has a tangent");
  return {x, residual, weight, orNone(xd), orNone(residuald), settings};
}

Two dropoutAddNormTangent(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias,
                          double epsilon, const Maybe& xd, const Maybe& residuald, bool isCentered, double p,
                          int64_t seed, int64_t stream) {
  const NormSettings settings{epsilon, isCentered, droppingOf(p, seed, stream)};
  const Operands of =
      dropoutAddNorm("bidora::dropout_add_norm_tangent", x, residual, weight, bias, xd, residuald, settings);
  checkTangents(of);
  return tangent(of);
}

Four dropoutAddNormTangentBackward(const Tensor& x, const Tensor& residual, const Tensor& weight, const Maybe& bias,
                                   double epsilon, const Maybe& xd, const Maybe& residuald, const Tensor& g,
                                   const Maybe& gd, const Maybe& toSum, const Maybe& toSumTangent, bool isCentered,
                                   double p, int64_t seed, int64_t stream) {
  const NormSettings settings{epsilon, isCentered, droppingOf(p, seed, stream)};
  const Operands of =
      dropoutAddNorm("bidora::dropout_add_norm_tangent_backward", x, residual, weight, bias, xd, residuald, settings);
  const Changes changes{g, orNone(gd), orNone(toSum), orNone(toSumTangent)};
  checkTangents(of, changes);
  return tangentBackward(of, changes);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::row_norm_tangent", [](OperatorLibrary& library) {
  library.define<rowNormTangent, NoDerivative::refuse>(
      "row_norm_tangent(Tensor input, Tensor weight, float eps, Tensor input_tangent, *, bool centered=True) -> "
      "Tensor");
  library.define<rowNormTangentBackward, NoDerivative::refuse>(
      "row_norm_tangent_backward(Tensor input, Tensor weight, float eps, Tensor? input_tangent, Tensor grad, Tensor? "
      "grad_tangent, *, bool centered=True) -> (Tensor input_grad_tangent, Tensor input_grad)");
  library.define<dropoutAddNormTangent, NoDerivative::refuse>(
      "dropout_add_norm_tangent(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, Tensor? "
      "input_tangent, Tensor? residual_tangent, *, bool centered=True, float p=0., int seed=0, int stream=0) -> "
      "(Tensor normed_tangent, Tensor sum_tangent)");
  library.define<dropoutAddNormTangentBackward, NoDerivative::refuse>(
      "dropout_add_norm_tangent_backward(Tensor input, Tensor residual, Tensor weight, Tensor? bias, float eps, "
      "Tensor? input_tangent, Tensor? residual_tangent, Tensor normed_grad, Tensor? normed_grad_tangent, Tensor? "
      "sum_grad, Tensor? sum_grad_tangent, *, bool centered=True, float p=0., int seed=0, int stream=0) -> (Tensor "
      "input_grad_tangent, Tensor residual_grad_tangent, Tensor input_grad, Tensor residual_grad)");
});

}  // namespace
}  // namespace bidora::normTangents
