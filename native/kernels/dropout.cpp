// Dropout in one pass, its mask made from the elements' places: the backward pass makes it again, and so does any later
// one.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;

Tensor drop(const Tensor& input, const Dropping& dropping) {
  checkOperands({&input});
  const Tensor x = input.contiguous();
  const Tensor y = at::empty_like(x);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout", [&] {
    const auto* from = read<scalar_t>(x);
    auto* to = write<scalar_t>(y);
    at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
      functions<scalar_t>().drop(from + begin, to + begin, begin, end - begin, dropping);
    });
  });
  return y;
}

Tensor dropout(const Tensor& x, double p, int64_t seed, int64_t stream);

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, double p, int64_t seed,
                        int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["key"] = c10::ivalue::Tuple::create(p, seed, stream);
    return drop(x, droppingOf(p, seed, stream));
  }

  // Linear, so its derivative is itself, as often as one likes.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto& key = context->saved_data["key"].toTupleRef().elements();
    return {dropout(gradients[0], key[0].toDouble(), key[1].toInt(), key[2].toInt()), Tensor(), Tensor(), Tensor()};
  }
};

Tensor dropout(const Tensor& x, double p, int64_t seed, int64_t stream) {
  return DropoutFunction::apply(x, p, seed, stream);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout", [](torch::Library& library) {
  library.def("dropout(Tensor input, float p, int seed, int stream) -> Tensor", dropout);
});

}  // namespace
}  // namespace bidora
