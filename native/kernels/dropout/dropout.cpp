// Dropout in one pass. The mask depends only on the elements' positions, so the backward pass recomputes it instead of
// keeping it.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"

namespace bidora::dropout {
namespace {

using at::Tensor;

Tensor dropoutCpu(const Tensor& input, double p, int64_t seed, int64_t stream) {
  checkOperands({&input});
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor x = input.contiguous();
  const Tensor y = at::empty_like(x);
  const int64_t first = x.dim() == 0 || x.numel() == 0 ? 0 : dropping.first * (x.numel() / x.size(0));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout", [&] {
    const auto* from = read<scalar_t>(x);
    auto* to = write<scalar_t>(y);
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<DropoutFunctions, scalar_t>().drop(from + begin, to + begin, first + begin, end - begin, dropping);
    });
  });
  return y;
}

Tensor dropoutMeta(const Tensor& input, double p, int64_t seed, int64_t stream) {
  checkOperands({&input});
  droppingOf(p, seed, stream);
  return at::empty(input.sizes(), input.options());
}

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, double p, int64_t seed,
                        int64_t stream) {
    context->saved_data["key"] = c10::ivalue::Tuple::create(p, seed, stream);
    return callKernel<dropoutCpu>("bidora::dropout", x, p, seed, stream);
  }

  // Linear, so it has derivatives of any order.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto& key = context->saved_data["key"].toTupleRef().elements();
    return {apply(gradients[0], key[0].toDouble(), key[1].toInt(), key[2].toInt()), Tensor(), Tensor(), Tensor()};
  }
};

Tensor dropoutAutograd(const Tensor& x, double p, int64_t seed, int64_t stream) {
  return DropoutFunction::apply(x, p, seed, stream);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout", [](OperatorLibrary& library) {
  library.define<dropoutCpu, dropoutMeta, dropoutAutograd>(
      "dropout(Tensor input, float p, int seed, int stream) -> Tensor");
});

}  // namespace
}  // namespace bidora::dropout
