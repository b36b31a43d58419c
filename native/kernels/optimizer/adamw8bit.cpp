// AdamW with its state in 8 bits: one step of many tensors.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>

#include "eachTensor.h"
#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/registration.h"

namespace bidora::adamw8bit {
namespace {

using at::Tensor;
using at::TensorList;

// The least magnitude of a bucket and the greatest.
float innerEnd(int32_t bucket) {
  if (bucket == 0) return 0;
  return std::bit_cast<float>(static_cast<uint32_t>(kLowestBucket + bucket) << 16);
}
float outerEnd(int32_t bucket) {
  if (bucket == kBuckets - 1) return std::numeric_limits<float>::infinity();
  return std::bit_cast<float>((static_cast<uint32_t>(kLowestBucket + bucket) << 16) + 0xFFFF);
}

// Looks for the codes of ever greater numbers. In the middle between two values it is the lower one's.
class Ascent {
 public:
  explicit Ascent(StateCodes& codes) : codes_(codes) {}

  void setFirst(int32_t bucket, float least, float greatest) {
    const int32_t first = at(least);
    codes_.firsts[bucket] = first;
    TORCH_CHECK(at(greatest) <= first + 1, "expected values of codes of which at most two are nearest to the numbers ",
                "from ", least, " to ", greatest, ", got more");
  }

 private:
  int32_t at(float x) {
    while (codes_.middles[code_] < x) ++code_;
    return code_;
  }

  StateCodes& codes_;
  int32_t code_ = 0;
};

void setFirsts(StateCodes& codes) {
  Ascent ascent(codes);
  for (int32_t bucket = kBuckets - 1; bucket >= 0; --bucket)
    ascent.setFirst(kBuckets + bucket, -outerEnd(bucket), -innerEnd(bucket));
  for (int32_t bucket = 0; bucket < kBuckets; ++bucket) ascent.setFirst(bucket, innerEnd(bucket), outerEnd(bucket));
}

std::unique_ptr<StateCodes> codesOf(const Tensor& map) {
  checkOperand(map);
  TORCH_CHECK(map.dim() == 1 && map.numel() == kStateCodes && map.scalar_type() == at::kFloat,
              "expected 256 float32 values of codes, got ", map.scalar_type(), " of ", map.sizes());
  const Tensor values = map.contiguous();
  auto codes = std::make_unique<StateCodes>();
  std::copy_n(values.const_data_ptr<float>(), kStateCodes, codes->values);
  for (int64_t i = 0; i + 1 < kStateCodes; ++i) {
    TORCH_CHECK(codes->values[i] < codes->values[i + 1], "expected values of codes in ascending order, got ",
                codes->values[i], " before ", codes->values[i + 1]);
    codes->middles[i] = (codes->values[i] + codes->values[i + 1]) / 2;
  }
  // Of numbers that are never negative, only 0 is stored as 0: a step divides by their roots.
  if (codes->values[0] == 0) codes->middles[0] = 0;
  codes->middles[kStateCodes - 1] = std::numeric_limits<float>::infinity();
  setFirsts(*codes);
  return codes;
}

int64_t blocksOf(const Tensor& tensor) { return (tensor.numel() + kStateBlock - 1) / kStateBlock; }

// A tensor's place in the lists.
struct Member {
  const Tensor &parameter, &gradient, &mean, &meanScales, &meanSquare, &squareScales;
};

void checkState(const Tensor& parameter, const Tensor& codes, const Tensor& scales) {
  TORCH_CHECK(codes.defined() && codes.scalar_type() == at::kByte && codes.layout() == at::kStrided &&
                  codes.sizes() == parameter.sizes(),
              "expected uint8 codes of the parameter's shape, ", parameter.sizes(), ", got ", codes.scalar_type(),
              " of ", codes.sizes());
  TORCH_CHECK(scales.defined() && scales.scalar_type() == at::kFloat && scales.layout() == at::kStrided &&
                  scales.dim() == 1 && scales.numel() == blocksOf(parameter),
              "expected a float32 scale for every 256 elements, ", blocksOf(parameter), ", got ", scales.scalar_type(),
              " of ", scales.sizes());
}

void checkStep(TensorList parameters, TensorList gradients, TensorList means, TensorList meanScales,
               TensorList meanSquares, TensorList squareScales, const Tensor& meanValues, const Tensor& squareValues,
               int64_t step) {
  for (const TensorList list : {gradients, means, meanScales, meanSquares, squareScales})
    TORCH_CHECK(list.size() == parameters.size(), "expected as many gradients and states as parameters, ",
                parameters.size(), ", got ", list.size());
  checkAll(parameters);
  checkAll(gradients);
  for (size_t i = 0; i < parameters.size(); ++i) {
    TORCH_CHECK(
        gradients[i].sizes() == parameters[i].sizes() && gradients[i].scalar_type() == parameters[i].scalar_type(),
        "expected gradients of the parameter's dtype and shape, ", parameters[i].scalar_type(), " of ",
        parameters[i].sizes(), ", got ", gradients[i].scalar_type(), " of ", gradients[i].sizes());
    checkState(parameters[i], means[i], meanScales[i]);
    checkState(parameters[i], meanSquares[i], squareScales[i]);
  }
  checkOperands({&meanValues, &squareValues});
  TORCH_CHECK(step >= 1, "expected a step number of at least 1, got ", step);
}

struct Maps {
  const StateCodes *mean, *meanSquare;
};

template <typename scalar_t>
void stepOne(const Member& member, const Maps& maps, const AdamWStep& by) {
  const RowMajor parameter(member.parameter), mean(member.mean), meanScales(member.meanScales),
      meanSquare(member.meanSquare), squareScales(member.squareScales);
  const Tensor gradient = member.gradient.contiguous();
  const int64_t count = member.parameter.numel();
  auto* values = write<scalar_t>(parameter.own);
  const auto* slopes = read<scalar_t>(gradient);
  const State8bit first{mean.own.data_ptr<uint8_t>(), meanScales.own.data_ptr<float>(), maps.mean};
  const State8bit second{meanSquare.own.data_ptr<uint8_t>(), squareScales.own.data_ptr<float>(), maps.meanSquare};
  const auto& run = functions<OptimizerFunctions, scalar_t>();
  at::parallel_for(0, blocksOf(member.parameter), kGrain / kStateBlock, [&](int64_t begin, int64_t end) {
    const int64_t start = begin * kStateBlock;
    run.adamw8bit(values + start, slopes + start, {first.codes + start, first.scales + begin, first.of},
                  {second.codes + start, second.scales + begin, second.of}, std::min(count, end * kStateBlock) - start,
                  by);
  });
  for (const RowMajor* changed : {&parameter, &mean, &meanScales, &meanSquare, &squareScales}) changed->putBack();
}

void step(TensorList parameters, TensorList gradients, TensorList means, TensorList meanScales, TensorList meanSquares,
          TensorList squareScales, const Tensor& meanValues, const Tensor& squareValues, int64_t number, double lr,
          double beta1, double beta2, double weightDecay, double epsilon) {
  checkStep(parameters, gradients, means, meanScales, meanSquares, squareScales, meanValues, squareValues, number);
  if (meanValues.is_meta()) return;
  const std::unique_ptr<StateCodes> ofMean = codesOf(meanValues), ofSquare = codesOf(squareValues);
  const Maps maps{ofMean.get(), ofSquare.get()};
  const auto count = static_cast<double>(number);
  const AdamWStep by{.beta1 = beta1,
                     .beta2 = beta2,
                     .keep = 1 - lr * weightDecay,
                     .step = lr / (1 - std::pow(beta1, count)),
                     .root = std::sqrt(1 - std::pow(beta2, count)),
                     .epsilon = epsilon};
  forEachTensor(parameters, [&](size_t i) {
    const Member member{parameters[i], gradients[i], means[i], meanScales[i], meanSquares[i], squareScales[i]};
    AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, parameters[i].scalar_type(), "bidora::adamw_8bit_",
                                   [&] { stepOne<scalar_t>(member, maps, by); });
  });
  bumpVersions({parameters, means, meanScales, meanSquares, squareScales});
}

[[maybe_unused]] const bool defined = defineOnce("bidora::adamw_8bit_", [](OperatorLibrary& library) {
  library.define<step, NoDerivative::ignore>(
      "adamw_8bit_(Tensor(a!)[] parameters, Tensor[] gradients, Tensor(b!)[] means, Tensor(c!)[] mean_scales, "
      "Tensor(d!)[] mean_squares, Tensor(e!)[] square_scales, Tensor mean_values, Tensor square_values, int step, *, "
      "float lr, float beta1, float beta2, float weight_decay, float epsilon) -> ()");
});

}  // namespace
}  // namespace bidora::adamw8bit
