// Rotary position embedding of queries or keys, in one pass. Shapes: x [N, H·D], cosines and sines [N, R]. Elements j
// and j + R/2 of a head form a pair; elements beyond R stay unchanged.

#include <algorithm>

#include "functions.h"
#include "kernels/common/differentiable.h"

namespace bidora::rotary {
namespace {

using at::Tensor;

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

Tensor rotary(const Tensor& given, const Tensor& givenCosines, const Tensor& givenSines, int64_t heads,
              bool isTransposed) {
  check(given, givenCosines, givenSines, heads);
  const Tensor out = emptyLike(given);
  if (!isComputed(out)) return out;
  // Angles are rounded to the input's dtype, as in the training of the checkpoints.
  const Tensor x = inRows(given), cosines = inRows(givenCosines.to(x.scalar_type())),
               sines = inRows(givenSines.to(x.scalar_type()));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::rotary", [&] {
    const Rotary<Stored<scalar_t>> call{.x = rowsOf<scalar_t>(x),
                                        .cosines = rowsOf<scalar_t>(cosines),
                                        .sines = rowsOf<scalar_t>(sines),
                                        .out = writableRows<scalar_t>(out),
                                        .heads = heads,
                                        .size = x.size(1) / heads,
                                        .rotated = cosines.size(1),
                                        .isTransposed = isTransposed};
    at::parallel_for(0, x.size(0), std::max<int64_t>(kGrain / x.size(1), 1), [&](int64_t begin, int64_t end) {
      functions<RotaryFunctions, scalar_t>().rotate(call, begin, end);
    });
  });
  return out;
}

struct Rotation {
  struct Saved {
    Tensor cosines, sines;
    int64_t heads;
    bool isTransposed;
    std::vector<Tensor*> tensors() { return {&cosines, &sines}; }
  };

  static Forward<Tensor, Saved> forward(const Tensor& x, const Tensor& cosines, const Tensor& sines, int64_t heads,
                                        bool isTransposed) {
    return {callKernel<rotary>("bidora::rotary", x, cosines, sines, heads, isTransposed),
            {cosines, sines, heads, isTransposed}};
  }

  // Linear, so its gradient is the transposed rotation, which also has derivatives of any order.
  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    return {differentiated<Rotation>(gradients[0], saved.cosines, saved.sines, saved.heads, !saved.isTransposed)};
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::rotary", [](OperatorLibrary& library) {
  defineDifferentiable<Rotation, rotary>(
      library, "rotary(Tensor input, Tensor cos, Tensor sin, int heads, *, bool transposed=False) -> Tensor");
});

}  // namespace
}  // namespace bidora::rotary
