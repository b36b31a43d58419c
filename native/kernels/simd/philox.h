// Counter-based random numbers: Philox 4x32 with 7 rounds, which pass all its authors' tests of randomness (Salmon et
// al., "Parallel random numbers: as easy as 1, 2, 3", 2011, table 2). A number depends only on the key and its counter,
// so any thread can compute it, and the backward pass can recompute it.
#pragma once

#include "vectors.h"

namespace bidora::BIDORA_VARIANT {

// Sixteen counters at a time; the compiler splits them to the registers' width.
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint64_t Products __attribute__((vector_size(64)));

// Four words for each of 16 counters.
struct Random {
  Words words[4];
};

// The high and low halves of one round's product, for 16 counters.
[[gnu::always_inline]] inline void multiplyWide(Words a, uint32_t by, Words& high, Words& low) {
#ifdef __AVX512F__  // GCC would use full 64-bit multiplications, then masks and shifts instead of a masked shuffle
  const __m512i factor = _mm512_set1_epi64(by), even = _mm512_mul_epu32((__m512i)a, factor),
                odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
  high = (Words)_mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  low = (Words)_mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
#elif defined(__aarch64__)  // NEON has no 64-bit multiplication
  uint32x4_t fours[4], highs[4], lows[4];
  std::memcpy(fours, &a, sizeof fours);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(fours[i]), by)),
                     second = vreinterpretq_u32_u64(vmull_high_n_u32(fours[i], by));
    highs[i] = vuzp2q_u32(first, second);
    lows[i] = vuzp1q_u32(first, second);
  }
  std::memcpy(&high, highs, sizeof high);
  std::memcpy(&low, lows, sizeof low);
#else
  Products pairs;
  std::memcpy(&pairs, &a, sizeof pairs);
  const Products even = (pairs & 0xffffffffU) * by;
  const Products odd = (pairs >> 32) * by;
  const Products highs = (even >> 32) | (odd & ~uint64_t{0xffffffffU});
  const Products lows = (even & 0xffffffffU) | (odd << 32);
  std::memcpy(&high, &highs, sizeof high);
  std::memcpy(&low, &lows, sizeof low);
#endif
}

// Four random numbers for each of the counters (first + lane, second, third, stream).
[[gnu::always_inline]] inline Random philox(const DropoutKey& key, uint32_t first, uint32_t second, uint32_t third) {
  const Words lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Words zero{};
  Words c0 = lane + first, c1 = zero + second, c2 = zero + third, c3 = zero + key.stream;
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 7; ++round) {
    Words high0, low0, high1, low1;
    multiplyWide(c0, 0xD2511F53U, high0, low0);
    multiplyWide(c2, 0xCD9E8D57U, high1, low1);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

// Elements with random numbers below it are dropped. (At p = 1 the kept elements are multiplied by 0.)
[[gnu::always_inline]] inline uint32_t dropThreshold(double p) {
  return p < 1 ? static_cast<uint32_t>(p * 4294967296.0) : UINT32_MAX;
}

}  // namespace bidora::BIDORA_VARIANT
