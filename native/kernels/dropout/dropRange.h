// Dropout of consecutive elements of a tensor.
#pragma once

#include "kernels/simd/numbers.h"
#include "kernels/simd/philox.h"

namespace bidora::BIDORA_VARIANT {

[[gnu::always_inline]] inline bool isActive(const Dropping& dropping) { return dropping.p > 0; }
[[gnu::always_inline]] inline double factorOf(const Dropping& dropping) {
  return dropping.p < 1 ? 1 / (1 - dropping.p) : 0;
}

constexpr int64_t kGroup = 64;  // elements served by 16 counters

template <typename From, typename To>
[[gnu::always_inline]] inline void dropNumbers(const From* from, To* to, int64_t count, const uint32_t* numbers,
                                               uint32_t threshold, SumOf<From> factor) {
  SumOf<From> kept[kGroup];
  for (int64_t i = 0; i < count; ++i) kept[i] = numbers[i] < threshold ? 0 : wide(from[i]) * factor;
  writeNumbers(kept, count, to);
}

// Elements `begin` … `begin + count - 1` of the flattened tensor of all ranks; from and to point to the first of them.
template <typename From, typename To>
void dropRange(const From* from, To* to, int64_t begin, int64_t count, const Dropping& dropping) {
  const uint32_t threshold = dropThreshold(dropping.p);
  const SumOf<From> factor = static_cast<SumOf<From>>(factorOf(dropping));
  for (int64_t done = 0; done < count;) {
    const int64_t group = (begin + done) / kGroup, lane = (begin + done) % kGroup,
                  take = lesser(kGroup - lane, count - done);
    const uint64_t counter = static_cast<uint64_t>(group) * (kGroup / 4);
    const Random random = philox(dropping.key, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0);
    uint32_t numbers[kGroup];
    for (int w = 0; w < 4; ++w) store(numbers + w * kGroup / 4, random.words[w]);
    if (take == kGroup) dropNumbers(from + done, to + done, kGroup, numbers, threshold, factor);
    else dropNumbers(from + done, to + done, take, numbers + lane, threshold, factor);
    done += take;
  }
}

// The same for a row of `size` elements that begins at element `at` of this rank's tensor.
template <typename From, typename To>
void dropRow(const From* from, To* to, int64_t at, int64_t size, const Dropping& dropping) {
  dropRange(from, to, dropping.first * size + at, size, dropping);
}

}  // namespace bidora::BIDORA_VARIANT
