// Transposes matrices of words, one tile in registers at a time.
#pragma once

#include "vectors.h"

namespace bidora::BIDORA_VARIANT {

typedef uint32_t FourBytes __attribute__((vector_size(kVectorBytes)));
constexpr int kTileSide = kVectorBytes / 4;

// Swaps lanes of two rows: the first row's lanes whose index has the bit, with the second row's whose index does not.
template <int kBit>
struct Lower {
  static constexpr int at(int lane) { return lane & kBit ? kTileSide + (lane ^ kBit) : lane; }
};
template <int kBit>
struct Upper {
  static constexpr int at(int lane) { return lane & kBit ? kTileSide + lane : lane ^ kBit; }
};

// Repeated for every bit of a row's index, this transposes.
template <int kBit>
[[gnu::always_inline]] inline void exchange(FourBytes* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kTileSide; ++i) {
    if (i & kBit) continue;
    const FourBytes a = rows[i], b = rows[i + kBit];
    rows[i] = shuffled<Lower<kBit>, kTileSide>(a, b);
    rows[i + kBit] = shuffled<Upper<kBit>, kTileSide>(a, b);
  }
}

// Rows of as many words become columns.
[[gnu::always_inline]] inline void transposeRows(FourBytes (&rows)[kTileSide]) {
  exchange<1>(rows);
  exchange<2>(rows);
  if constexpr (kTileSide > 4) exchange<4>(rows);
  if constexpr (kTileSide > 8) exchange<8>(rows);
}

// Strides in words.
template <typename Word>
[[gnu::always_inline]] inline void transposeTile(const Word* from, int64_t fromStride, Word* to, int64_t toStride) {
  FourBytes rows[kTileSide];
#pragma GCC unroll 16
  for (int i = 0; i < kTileSide; ++i) std::memcpy(&rows[i], from + i * fromStride, sizeof(FourBytes));
  transposeRows(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kTileSide; ++i) std::memcpy(static_cast<void*>(to + i * toStride), &rows[i], sizeof(FourBytes));
}

// [count, words] with a row stride of `stride` words → columns of [words, padded]; `count` is a multiple of 16.
template <typename Word>
void transpose(const Word* from, int64_t stride, int64_t count, int64_t words, Word* to, int64_t padded) {
  const int64_t inTiles = sizeof(Word) == 4 ? words / kTileSide * kTileSide : 0;
  for (int64_t i = 0; i < count; i += kTileSide)
    for (int64_t d = 0; d < inTiles; d += kTileSide)
      transposeTile(from + i * stride + d, stride, to + d * padded + i, padded);
  for (int64_t i = 0; i < count; i += kWidth)
    for (int64_t d = inTiles; d < words; ++d)
      for (int64_t lane = 0; lane < kWidth; ++lane) to[d * padded + i + lane] = from[(i + lane) * stride + d];
}

}  // namespace bidora::BIDORA_VARIANT
