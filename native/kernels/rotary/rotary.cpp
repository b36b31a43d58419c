// Rotary position embedding of queries or keys, in one pass. Shapes: x [N, H·D], cosines and sines [N, R]. Elements j
// and j + R/2 of a head form a pair; elements beyond R stay unchanged.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"

namespace bidora::rotary {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void check(const Tensor& x, const Tensor& cosines, const Tensor& sines, int64_t heads) {
  checkOperands({&x, &cosines, &sines});
  TORCH_CHECK(x.dim() == 2 && heads > 0 && x.size(1) % heads == 0,
              "expected an input of [tokens, heads · head size], got ", x.sizes(), " for ", heads, " heads");
  TORCH_CHECK(cosines.dim() == 2 && cosines.size(0) == x.size(0) && cosines.size(1) % 2 == 0 &&
                  cosines.size(1) <= x.size(1) / heads && sines.sizes() == cosines.sizes(),
              "expected cosines and sines of [", x.size(0), ", an even size up to ", x.size(1) / heads, "], got ",
              cosines.sizes(), " and ", sines.sizes());
  for (const Tensor* angles : {&cosines, &sines}) {
    TORCH_CHECK(angles->scalar_type() == at::kFloat || angles->scalar_type() == x.scalar_type(),
                "expected cosines and sines in float32 or the input's dtype, ", x.scalar_type(), ", got ",
                angles->scalar_type());
    TORCH_CHECK(!angles->requires_grad(), "expected cosines and sines that require no gradient");
  }
}

Tensor inRows(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

Tensor rotaryMeta(const Tensor& x, const Tensor& cosines, const Tensor& sines, int64_t heads, bool isTransposed) {
  check(x, cosines, sines, heads);
  return at::empty(x.sizes(), x.options());
}

Tensor rotaryCpu(const Tensor& given, const Tensor& givenCosines, const Tensor& givenSines, int64_t heads,
                 bool isTransposed) {
  check(given, givenCosines, givenSines, heads);
  const Tensor out = at::empty(given.sizes(), given.options());
  if (given.numel() == 0) return out;
  // Angles are rounded to the input's dtype, as in the training of the checkpoints.
  const Tensor x = inRows(given), cosines = inRows(givenCosines.to(x.scalar_type())),
               sines = inRows(givenSines.to(x.scalar_type()));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::rotary", [&] {
    const auto rowsOf = [](const Tensor& of) { return Rows<const Stored<scalar_t>>{read<scalar_t>(of), of.stride(0)}; };
    const Rotary<Stored<scalar_t>> call{
        rowsOf(x), rowsOf(cosines),   rowsOf(sines),   {write<scalar_t>(out), out.stride(0)},
        heads,     x.size(1) / heads, cosines.size(1), isTransposed};
    at::parallel_for(0, x.size(0), std::max<int64_t>(kGrain / x.size(1), 1), [&](int64_t begin, int64_t end) {
      functions<RotaryFunctions, scalar_t>().rotate(call, begin, end);
    });
  });
  return out;
}

struct RotaryFunction : torch::autograd::Function<RotaryFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cosines, const Tensor& sines,
                        int64_t heads, bool isTransposed) {
    context->save_for_backward({cosines, sines});
    context->saved_data["heads"] = heads;
    context->saved_data["transposed"] = isTransposed;
    return callKernel<rotaryCpu>("bidora::rotary", x, cosines, sines, heads, isTransposed);
  }

  // Linear, so its gradient is the transposed rotation, which also has derivatives of any order.
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const bool isTransposed = context->saved_data["transposed"].toBool();
    return {apply(gradients[0], saved[0], saved[1], heads, !isTransposed), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor rotaryAutograd(const Tensor& x, const Tensor& cosines, const Tensor& sines, int64_t heads, bool isTransposed) {
  return RotaryFunction::apply(x, cosines, sines, heads, isTransposed);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::rotary", [](OperatorLibrary& library) {
  library.define<rotaryCpu, rotaryMeta, rotaryAutograd>(
      "rotary(Tensor input, Tensor cos, Tensor sin, int heads, *, bool transposed=False) -> Tensor");
});

}  // namespace
}  // namespace bidora::rotary
