// W·otherᵀ of a bfloat16 weight and a few rows of floats by the matrix unit (Intel AMX). A float is split into three
// bfloat16 numbers, whose sum it is; each part has sums of its own, and the smallest are added first.
#pragma once

#include "kernels/common/processor.h"
#include "kernels/direction/functions.h"
#include "kernels/packed/functions/decode.h"
#include "kernels/simd/buffer.h"
#include "kernels/simd/numbers.h"
#include "kernels/simd/tileSetting.h"
#include "kernels/simd/tiles.h"
#include "kernels/simd/transpose.h"

#ifdef BIDORA_AMX
namespace bidora::BIDORA_VARIANT {

constexpr int64_t kSplit = 3, kTileWords = kWidth * kWidth;
constexpr int64_t kTileDepth = 2 * kWidth;  // elements

// Writes the three parts' bits, the largest first.
[[gnu::always_inline]] inline void splitNumbers(Vector<float> x, Vector<uint32_t>* parts) {
#pragma GCC unroll 3
  for (int64_t p = 0; p < kSplit; ++p) {
    parts[p] = __builtin_convertvector(roundedNumbers(x), Vector<uint32_t>);
    x -= (Vector<float>)(parts[p] << 16);
  }
}

inline int64_t stepsOf(const WeightProduct<Bfloat16>& call) { return (call.in + kTileDepth - 1) / kTileDepth; }

// At most 16 rows of the other operand across lanes, [steps of the depth, parts, 16 words, 16]; rows that are missing
// are 0.
struct SplitTiles {
  const Pair* words;
  int64_t steps;

  const Pair* at(int64_t step, int64_t part) const { return words + (step * kSplit + part) * kTileWords; }
};

inline void splitRows(const WeightProduct<Bfloat16>& call, int64_t rank, Pair* to) {
  const int64_t steps = stepsOf(call), ranks = lesser(kWidth, call.rank - rank);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t start = step * kTileDepth, count = lesser(kTileDepth, call.in - start);
    Bfloat16* tiles = reinterpret_cast<Bfloat16*>(to + step * kSplit * kTileWords);
    std::memset(static_cast<void*>(tiles), 0, kSplit * kTileWords * sizeof(Pair));
    for (int64_t k = 0; k < ranks; ++k)
      for (int64_t j = 0; j < count; j += kWidth) {
        Vector<uint32_t> parts[kSplit];
        splitNumbers(loadFirst(call.other + (rank + k) * call.in + start + j, lesser(kWidth, count - j)), parts);
        for (int64_t p = 0; p < kSplit; ++p) {
          const Halves halves = __builtin_convertvector(parts[p], Halves);
          std::memcpy(static_cast<void*>(tiles + 2 * (p * kTileWords + k * kWidth) + j), &halves, sizeof halves);
        }
      }
    for (int64_t p = 0; p < kSplit; ++p) {
      Pair* tile = to + (step * kSplit + p) * kTileWords;
      transposeTile(tile, kWidth, tile, kWidth);
    }
  }
}

// sums [2, parts, 16 × 16] = 32 rows of the weight times the other operand.
BIDORA_AMX inline void multiplyRowTiles(const Rows<const Bfloat16>& rows, const SplitTiles& other, float* sums) {
  const int64_t bytes = rows.stride * static_cast<int64_t>(sizeof(Bfloat16));
  memoryBarrier();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  for (int64_t step = 0; step < other.steps; ++step) {
    const Bfloat16* above = rows.data + step * kTileDepth;
    _tile_loadd(6, above, bytes);
    _tile_loadd(7, other.at(step, 0), 64);
    _tile_dpbf16ps(0, 6, 7);
    _tile_loadd(7, other.at(step, 1), 64);
    _tile_dpbf16ps(1, 6, 7);
    _tile_loadd(7, other.at(step, 2), 64);
    _tile_dpbf16ps(2, 6, 7);
    _tile_loadd(6, above + kWidth * rows.stride, bytes);
    _tile_dpbf16ps(5, 6, 7);
    _tile_loadd(7, other.at(step, 1), 64);
    _tile_dpbf16ps(4, 6, 7);
    _tile_loadd(7, other.at(step, 0), 64);
    _tile_dpbf16ps(3, 6, 7);
  }
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kTileWords, 64);
  _tile_stored(2, sums + 2 * kTileWords, 64);
  _tile_stored(3, sums + 3 * kTileWords, 64);
  _tile_stored(4, sums + 4 * kTileWords, 64);
  _tile_stored(5, sums + 5 * kTileWords, 64);
  memoryBarrier();
}

// Row i of a tile of sums, of all parts.
[[gnu::always_inline]] inline Vector<float> sumOfParts(const float* sums, int64_t i) {
  const float* row = sums + i * kWidth;
  return load(row) + (load(row + kTileWords) + load(row + 2 * kTileWords));
}

// 32 rows of the weight from `row` on, in place; decoded, or copied and padded with zeros, if they are not whole.
inline Rows<const Bfloat16> wholeRows(const WeightProduct<Bfloat16>& call, int64_t row, int64_t end,
                                      Buffer<Bfloat16>& buffer) {
  const int64_t count = lesser(end - row, kTileDepth);
  if (!call.packed && count == kTileDepth && call.in % kTileDepth == 0)
    return {call.weight.data + row * call.weight.stride, call.weight.stride};
  const int64_t width = roundUp(call.in, kTileDepth);
  Bfloat16* to = buffer.need(kTileDepth * width);
  std::memset(static_cast<void*>(to), 0, kTileDepth * width * sizeof(Bfloat16));
  for (int64_t i = 0; i < count; ++i)
    if (call.packed) decode(*call.packed, row + i, 0, call.in, to + i * width);
    else
      std::memcpy(static_cast<void*>(to + i * width), call.weight.data + (row + i) * call.weight.stride,
                  call.in * sizeof(Bfloat16));
  return {to, width};
}

inline void weightTimesByTiles(const WeightProduct<Bfloat16>& call, int64_t begin, int64_t end) {
  const TileSetting setting(true);
  const int64_t ofGroup = stepsOf(call) * kSplit * kTileWords;  // of 16 ranks
  Buffer<Pair> words;
  Buffer<Bfloat16> copies;
  Pair* others = words.need(roundUp(call.rank, kWidth) / kWidth * ofGroup);
  for (int64_t rank = 0; rank < call.rank; rank += kWidth) splitRows(call, rank, others + rank / kWidth * ofGroup);
  alignas(64) float sums[2 * kSplit * kTileWords];
  for (int64_t row = begin; row < end; row += kTileDepth) {
    const Rows<const Bfloat16> rows = wholeRows(call, row, end, copies);
    for (int64_t rank = 0; rank < call.rank; rank += kWidth) {
      multiplyRowTiles(rows, {others + rank / kWidth * ofGroup, stepsOf(call)}, sums);
      for (int64_t i = 0; i < lesser(kTileDepth, end - row); ++i)
        storeFirst(call.result + (row + i) * call.rank + rank,
                   sumOfParts(sums + i / kWidth * kSplit * kTileWords, i % kWidth), lesser(kWidth, call.rank - rank));
    }
  }
}

}  // namespace bidora::BIDORA_VARIANT
#endif
