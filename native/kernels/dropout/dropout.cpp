// Dropout in one pass. The mask depends only on the elements' positions, so the backward pass recomputes it instead of
// keeping it.

#include "functions.h"
#include "kernels/common/differentiable.h"

namespace bidora::dropout {
namespace {

using at::Tensor;

Tensor dropout(const Tensor& input, double p, int64_t seed, int64_t stream) {
  checkOperands({&input});
  const Dropping dropping = droppingOf(p, seed, stream);
  const Tensor x = input.contiguous();
  const Tensor y = emptyLike(x);
  if (y.is_meta()) return y;
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

struct Dropout {
  struct Saved {
    double p;
    int64_t seed, stream;
    static std::vector<Tensor*> tensors() { return {}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, double p, int64_t seed, int64_t stream) {
    return {callKernel<dropout>("bidora::dropout", x, p, seed, stream), {p, seed, stream}};
  }

  // Linear, so it has derivatives of any order.
  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    return {differentiated<Dropout>(gradients[0], saved.p, saved.seed, saved.stream)};
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout", [](OperatorLibrary& library) {
  defineDifferentiable<Dropout, dropout>(library, "dropout(Tensor input, float p, int seed, int stream) -> Tensor");
});

}  // namespace
}  // namespace bidora::dropout
