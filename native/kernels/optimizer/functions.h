// AdamW with its state in 8 bits, of each ISA variant. As in bitsandbytes, a number of the state is stored as the index
// of the nearest of 256 values, relative to the largest absolute value of its block.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

constexpr int64_t kStateBlock = 256;  // elements per block
constexpr int64_t kStateCodes = 256;  // values that a code can stand for

// A float's bucket is its sign, its exponent and the first 7 bits of its fraction. The lowest and the highest bucket
// take all that is below and above.
constexpr int32_t kLowestBucket = (127 - 24) << 7;  // 2⁻²⁴
constexpr int32_t kHighestBucket = 127 << 7;        // 1
constexpr int32_t kBuckets = kHighestBucket - kLowestBucket + 1;

// The values of the codes, in ascending order. A number's code is that of its bucket's least number, or the next one if
// the number is above the middle between both.
struct StateCodes {
  float values[kStateCodes];
  float middles[kStateCodes];    // above which a number has the next code; the last is infinite
  int32_t firsts[2 * kBuckets];  // the code of a bucket's least number; negative buckets come last
};

// A running mean of a tensor. `codes` and `scales` point to the first block.
struct State8bit {
  uint8_t* codes;
  float* scales;
  const StateCodes* of;
};

// p = p·keep − step·m / (√v / root + epsilon), m and v being the new means.
struct AdamWStep {
  double beta1, beta2, keep, step, root, epsilon;
};

template <typename T>
struct OptimizerFunctions {
  // `count` elements from the beginning of a block on.
  void (*adamw8bit)(T* parameter, const T* gradient, const State8bit& mean, const State8bit& meanSquare, int64_t count,
                    const AdamWStep& by);
};
BIDORA_FUNCTIONS(OptimizerFunctions)

}  // namespace bidora
