// Numbers of the type that is stored, as the type that is computed in.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

#include "vectors.h"

namespace bidora {

[[gnu::always_inline]] inline Vector<float> loadWide(const c10::BFloat16* from) {
  typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Vector<uint32_t> bits = __builtin_convertvector(halves, Vector<uint32_t>) << 16;
  Vector<float> wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}
[[gnu::always_inline]] inline Vector<float> loadWide(const float* from) { return load(from); }
[[gnu::always_inline]] inline Vector<double> loadWide(const double* from) { return load(from); }

// `count`, a multiple of the lanes, numbers as they are, or written to `room` where they are narrow.
inline const float* widen(const c10::BFloat16* from, int64_t count, float* room) {
  for (int64_t i = 0; i < count; i += kLanes<float>) store(room + i, loadWide(from + i));
  return room;
}
template <typename T>
const T* widen(const T* from, int64_t, T*) {
  return from;
}

}  // namespace bidora
