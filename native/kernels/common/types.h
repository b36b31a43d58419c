// Types that operators share with the functions that are compiled once per ISA variant. An ISA variant is a set of
// instructions: baseline, avx2, …
//
// Headers that an functions.cpp includes outside its own namespace, like this one, may define only data, not functions:
// the linker keeps a single copy of an inline function, possibly one with another variant's instructions.
#pragma once

#include <cstdint>
#include <type_traits>

namespace bidora {

// A bfloat16 value in memory.
struct Bfloat16 {
  uint16_t bits;
};

// The accumulation type: float for half-precision types.
template <typename T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

// The key of one use of dropout: `seed` identifies the forward pass, `stream` the use within it.
struct DropoutKey {
  uint64_t seed;
  uint32_t stream;
};

// Dropout with probability p.
struct Dropping {
  DropoutKey key;
  double p;
  int64_t first = 0;  // the number of the tensor's first row (or token) among those of all ranks
};

// A strided matrix: row i begins at data[i·stride].
template <typename T>
struct Rows {
  T* data;
  int64_t stride;
};

constexpr int64_t kWidth = 16;  // padded sizes are multiples of it

// Memory aligned for vectors, to be freed by std::free; throws std::bad_alloc.
void* allocateAligned(int64_t bytes);

}  // namespace bidora
