// Dropout in one pass, its mask made from the elements' places: the backward pass makes it again, and so does any later one.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include "philox.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;

constexpr int64_t kGroup = 64;        // elements that 16 counters serve
constexpr int64_t kGrain = 1 << 14;   // elements that are worth a thread

// to[i] = from[i]·factor or 0 for the elements of one group.
template <typename T>
[[gnu::always_inline]] inline void dropGroup(const T* from, T* to, int64_t group, int64_t count, const DropoutKey& key, uint32_t threshold,
                                             double factor) {
  using Sum = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const uint64_t counter = static_cast<uint64_t>(group) * (kGroup / 4);
  const Random random = philox(key, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0);
  uint32_t numbers[kGroup];
  for (int w = 0; w < 4; ++w) store(numbers + w * kGroup / 4, random[w]);
  const Sum kept = static_cast<Sum>(factor);
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(numbers[i] < threshold ? Sum{0} : static_cast<Sum>(from[i]) * kept);
}

Tensor drop(const Tensor& input, double p, const DropoutKey& key) {
  TORCH_CHECK(p >= 0 && p <= 1, "expected a dropout between 0 and 1, got ", p);
  const Tensor x = input.contiguous();
  const Tensor y = at::empty_like(x);
  const uint32_t threshold = dropThreshold(p);
  const double factor = p < 1 ? 1 / (1 - p) : 0;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::dropout", [&] {
    const scalar_t* from = x.const_data_ptr<scalar_t>();
    scalar_t* to = y.data_ptr<scalar_t>();
    const int64_t count = x.numel();
    at::parallel_for(0, (count + kGroup - 1) / kGroup, kGrain / kGroup, [&](int64_t begin, int64_t end) {
      const int64_t whole = std::min(end, count / kGroup);
      for (int64_t g = begin; g < whole; ++g) dropGroup(from + g * kGroup, to + g * kGroup, g, kGroup, key, threshold, factor);
      if (whole < end) dropGroup(from + whole * kGroup, to + whole * kGroup, whole, count % kGroup, key, threshold, factor);
    });
  });
  return y;
}

Tensor dropout(const Tensor& x, double p, int64_t seed, int64_t stream);

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, double p, int64_t seed, int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["key"] = c10::ivalue::Tuple::create(p, seed, stream);
    return drop(x, p, {static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)});
  }

  // Linear, so its derivative is itself, as often as one likes.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto& key = context->saved_data["key"].toTupleRef().elements();
    return {dropout(gradients[0], key[0].toDouble(), key[1].toInt(), key[2].toInt()), Tensor(), Tensor(), Tensor()};
  }
};

Tensor dropout(const Tensor& x, double p, int64_t seed, int64_t stream) { return DropoutFunction::apply(x, p, seed, stream); }

[[maybe_unused]] const bool defined = defineOnce("bidora::dropout", [](torch::Library& library) {
  library.def("dropout(Tensor input, float p, int seed, int stream) -> Tensor", dropout);
});

}  // namespace
}  // namespace bidora
