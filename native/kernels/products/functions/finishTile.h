// What is done with a tile of sums before it is written.
#pragma once

#include "kernels/products/functions.h"
#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

// Writes the sums [rows, width] to the result's columns from `column` on; columns past the last are left out.
template <typename T, typename Sum = SumOf<T>>
void finishTile(const FrozenProduct<T>& call, Sum* sums, int64_t rows, int64_t width, int64_t row, int64_t column) {
  const int64_t count = lesser(width, call.columns - column);
  for (int64_t m = 0; m < rows; ++m) {
    Sum* sum = sums + m * width;
    if (call.scale != 1)
      for (int64_t i = 0; i < count; ++i) sum[i] *= call.scale;
    if (call.gain)
      for (int64_t i = 0; i < count; ++i) sum[i] *= call.gain[column + i];
    if (call.bias)
      for (int64_t i = 0; i < count; ++i) sum[i] += wide(call.bias[column + i]);
    writeNumbers(sum, count, call.out.data + (row + m) * call.out.stride + column);
  }
}

}  // namespace bidora::BIDORA_VARIANT
