// Attention of new queries over a cache of int8 keys and values. The keys and values of one sequence and key head are
// decoded into a thread's scratch memory, rounded to the queries' type, and attended to as if they had been cached so:
// the bits are those of attendCached over the decoded cache.
#pragma once

#include "cached.h"

namespace bidora::BIDORA_VARIANT {

template <typename T>
struct Int8Work {
#ifdef BIDORA_OWN_PRODUCTS
  CachedWork<T> group;
#endif
  Workspace<T> heads;
  Buffer<T> keys, values;
  Buffer<SumOf<T>> logSums;
};

typedef int8_t Codes __attribute__((vector_size(kVectorBytes / sizeof(float))));  // as many as a vector's floats

// GCC 12 would convert from bytes one by one.
[[gnu::always_inline]] inline Vector<int32_t> wholeNumbers(Codes codes) {
#if defined(__AVX512F__)
  return (Vector<int32_t>)_mm512_cvtepi8_epi32((__m128i)codes);
#else
  typedef int16_t Shorts __attribute__((vector_size(kVectorBytes / 2)));
  return __builtin_convertvector(__builtin_convertvector(codes, Shorts), Vector<int32_t>);
#endif
}

// scale · code for `size` codes.
template <typename T>
[[gnu::always_inline]] inline void decodeRow(const int8_t* codes, float scale, int64_t size, T* to) {
  int64_t d = 0;
  if constexpr (!std::is_same_v<T, double>) {
    for (; d + kLanes<float> <= size; d += kLanes<float>) {
      Codes some;
      std::memcpy(&some, codes + d, sizeof some);
      storeNumbers(to + d, __builtin_convertvector(wholeNumbers(some), Vector<float>) * scale);
    }
  }
  for (; d < size; ++d) setNumber(to + d, scale * static_cast<float>(codes[d]));
}

// Rows first … first + count − 1 of a head, [count, size].
template <typename T>
Strided<const T> decodeHead(const Int8Rows& rows, int64_t first, int64_t count, int64_t head, int64_t size,
                            Buffer<T>& buffer) {
  T* to = buffer.need(roundUp(count * size, kLanes<float>));
  for (int64_t j = 0; j < count; ++j) {
    const int64_t row = first + j;
    const int64_t at = row * rows.heads + head;
    decodeRow(rows.codes + at * size, rows.scales[at], size, to + j * size);
  }
  return {to, size};
}

#ifdef BIDORA_OWN_PRODUCTS
template <typename T>
bool attendGroupOf(const HeadShape& shape, int64_t heads, const HeadInputs<T>& of, Strided<T> out, Int8Work<T>& work) {
  if constexpr (std::is_same_v<T, double>) return false;
  else {
    if (shape.queries * heads > kFewRows || shape.size % Arithmetic<T>::kPerWord != 0) return false;
    attendGroup(KeyGroup<T>{shape, shape.seen(0, shape.queries), heads, of.q, of.k, of.v, out}, work.group);
    return true;
  }
}
#else
template <typename T>
bool attendGroupOf(const HeadShape&, int64_t, const HeadInputs<T>&, Strided<T>, Int8Work<T>&) {
  return false;
}
#endif

// Computes key heads of rows until none is left; the threads share `next`.
template <typename T>
void attendInt8(const AttentionShape& shape, const Int8Inputs<T>& inputs, Rows<T> out, int64_t& next) {
  const int64_t group = shape.heads / shape.kvHeads, size = shape.size;
  forEachOfRows<T, Int8Work<T>>(shape.rows, shape.kvHeads, next, [&](int64_t row, int64_t keyHead, Int8Work<T>& work) {
    HeadShape of = headShape(shape, row, keyHead * group);
    // Keys that no query attends to are left out, in whole vectors, so that sums keep their order.
    const int64_t unseen = of.seen(0, of.queries).first, first = shape.keyStarts[row] + unseen;
    of.keys -= unseen;
    const Strided<const T> keys = decodeHead(inputs.k, first, of.keys, keyHead, size, work.keys),
                           values = decodeHead(inputs.v, first, of.keys, keyHead, size, work.values);
    const auto queriesOf = [&](int64_t head) { return headOf(inputs.q, shape.queryStarts[row], head, size); };
    const auto outOf = [&](int64_t head) { return headOf(out, shape.queryStarts[row], head, size); };
    const HeadInputs<T> together{queriesOf(keyHead * group), keys, values};
    if (attendGroupOf(of, group, together, outOf(keyHead * group), work)) return;
    const Strided<SumOf<T>> logSums{work.logSums.need(of.queries), 1};
    for (int64_t head = keyHead * group; head < (keyHead + 1) * group; ++head)
      attendHead<T>(of, {queriesOf(head), keys, values}, outOf(head), logSums, work.heads);
  });
}

}  // namespace bidora::BIDORA_VARIANT
