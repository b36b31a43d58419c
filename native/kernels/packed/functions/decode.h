// Decodes packed matrices, 32 elements (a granule) at a time. Each value is computed in float as the formats' own
// libraries do, and then rounded.
#pragma once

#include "codecs.h"

namespace bidora::BIDORA_VARIANT {

// Whole blocks of ggml's eight granules are unrolled, which makes their places in the block constants.
template <typename Codec, typename T>
void decodeGranules(const PackedMatrix& matrix, int64_t granule, int64_t count, T* to) {
  typename Codec::template Decoder<T> decoder(matrix, granule);
  decoder.write(matrix, granule, to);
  const auto one = [&](int64_t next, int64_t i) {
    decoder.next(matrix, next);
    decoder.write(matrix, next, to + i * kGranule);
  };
  int64_t i = 1;
  for (; i < count && ((granule + i) & 7); ++i) one(granule + i, i);
  for (; i + 8 <= count; i += 8) {
    const int64_t first = (granule + i) & ~int64_t{7};
#pragma GCC unroll 8
    for (int64_t k = 0; k < 8; ++k) one(first | k, i + k);
  }
  for (; i < count; ++i) one(granule + i, i);
}

// `first` counts the matrix's elements in row-major order.
template <typename Codec, typename T>
void decodeElements(const PackedMatrix& matrix, int64_t first, int64_t count, T* to) {
  if (count == 0) return;
  const int64_t skipped = first % kGranule;
  if (skipped > 0 || count < kGranule) {
    T all[kGranule];
    decodeGranules<Codec>(matrix, first / kGranule, 1, all);
    const int64_t some = lesser(count, kGranule - skipped);
    std::memcpy(to, all + skipped, some * sizeof(T));
    if (some < count) decodeElements<Codec>(matrix, first + some, count - some, to + some);
    return;
  }
  const int64_t whole = count / kGranule * kGranule;
  decodeGranules<Codec>(matrix, first / kGranule, count / kGranule, to);
  if (whole < count) decodeElements<Codec>(matrix, first + whole, count - whole, to + whole);
}

// bitsandbytes' rows: code·scale.
template <typename T>
void decodeRow(const PackedMatrix& matrix, int64_t row, int64_t column, int64_t count, T* to) {
  const uint8_t* codes = matrix.codes + row * matrix.columns + column;
  const float scales[] = {matrix.scales[row], matrix.scales[row]};
  int64_t i = 0;
  for (; i + kGranule <= count; i += kGranule) writeScaled(loadCodes(codes + i), scales, to + i);
  for (; i < count; ++i) setNumber(to + i, static_cast<float>(static_cast<int8_t>(codes[i])) * scales[0]);
}

template <typename T>
void decode(const PackedMatrix& matrix, int64_t row, int64_t column, int64_t count, T* to) {
  const int64_t first = row * matrix.columns + column;
  switch (matrix.format) {
    case PackedFormat::nf4: return decodeElements<Nf4>(matrix, first, count, to);
    case PackedFormat::fp4: return decodeElements<Fp4>(matrix, first, count, to);
    case PackedFormat::int8: return decodeRow(matrix, row, column, count, to);
    case PackedFormat::q8_0: return decodeElements<Q8_0>(matrix, first, count, to);
    case PackedFormat::q4_0: return decodeElements<Q4_0>(matrix, first, count, to);
    case PackedFormat::q4_1: return decodeElements<Q4_1>(matrix, first, count, to);
    case PackedFormat::q5_0: return decodeElements<Q5_0>(matrix, first, count, to);
    case PackedFormat::q5_1: return decodeElements<Q5_1>(matrix, first, count, to);
    case PackedFormat::q4_k: return decodeElements<Q4_K>(matrix, first, count, to);
    case PackedFormat::q5_k: return decodeElements<Q5_K>(matrix, first, count, to);
    case PackedFormat::q6_k: return decodeElements<Q6_K>(matrix, first, count, to);
  }
}

// The address of an element's code, approximately: for prefetching.
inline const char* placeOf(const PackedMatrix& matrix, int64_t row, int64_t column) {
  const int64_t block = (row * matrix.columns + column) / matrix.blockElements;
  return reinterpret_cast<const char*>(matrix.codes) + block * matrix.blockBytes;
}

}  // namespace bidora::BIDORA_VARIANT
