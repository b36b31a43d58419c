// Types that operators share with the functions that are built once for each ISA variant. An ISA variant is a set of
// instructions: baseline, avx2, …
//
// Only data may be defined here, and in every other header that an isa.cpp includes outside its own namespace. The
// linker keeps one copy of an inline function, and it could be the one with another variant's instructions.
#pragma once

#include <cstdint>
#include <type_traits>

namespace bidora {

// A bfloat16 number in memory.
struct Bfloat16 {
  uint16_t bits;
};

// The type that numbers are summed in: float for half types.
template <typename T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

// The key of one use of dropout: `seed` is the pass, `stream` the use's place in it.
struct DropoutKey {
  uint64_t seed;
  uint32_t stream;
};

// Dropout with probability p.
struct Dropping {
  DropoutKey key;
  double p;
};

// Rows of numbers: row i begins at data[i·stride].
template <typename T>
struct Rows {
  T* data;
  int64_t stride;
};

constexpr int64_t kWidth = 16;  // padded sizes are multiples of it

// Memory aligned for vectors, to be freed by std::free; throws std::bad_alloc.
void* allocateAligned(int64_t bytes);

}  // namespace bidora
