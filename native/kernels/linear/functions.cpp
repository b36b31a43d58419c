// The magnitude's part of a DoRA layer: z with its columns scaled. Shapes: z [N, O], gain g and bias b [O].
#include "functions.h"
#include "kernels/simd/buffer.h"
#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

constexpr int64_t kPiece = 256;  // columns at a time, so that intermediate results stay in registers and the L1 cache

// Computed as y + (y − b)·(g − 1), so that a gain of 1 changes no bit.
template <typename T, typename Sum = SumOf<T>>
void applyGain(const Gain<T>& gain, T* y, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t start = 0; start < gain.columns; start += kPiece) {
      const int64_t count = lesser(kPiece, gain.columns - start);
      T* at = y + row * gain.columns + start;
      const Sum* g = gain.gain + start;
      Sum scaled[kPiece];
      if (gain.bias) {
        const T* b = gain.bias + start;
        for (int64_t i = 0; i < count; ++i) {
          const Sum value = wide(at[i]);
          scaled[i] = value + (value - wide(b[i])) * (g[i] - 1);
        }
      } else {
        for (int64_t i = 0; i < count; ++i) {
          const Sum value = wide(at[i]);
          scaled[i] = value + value * (g[i] - 1);
        }
      }
      writeNumbers(scaled, count, at);
    }
  }
}

// One row: sums += gradient·(value − b) and scaled = gradient·g, as requested.
template <bool kSums, bool kScaled, typename T, typename Sum = SumOf<T>>
void gainRowBackward(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums) {
  int64_t i = 0;
  for (; i + kLanes<Sum> <= gain.columns; i += kLanes<Sum>) {
    const Vector<Sum> of = loadWide(gradient + i);
    if constexpr (kSums) {
      const Vector<Sum> b = gain.bias ? loadWide(gain.bias + i) : Vector<Sum>{};
      store(sums + i, load(sums + i) + of * (loadWide(value + i) - b));
    }
    if constexpr (kScaled) {
      Sum product[kLanes<Sum>];
      store(product, of * load(gain.gain + i));
      writeNumbers(product, kLanes<Sum>, scaled + i);
    }
  }
  for (; i < gain.columns; ++i) {
    const Sum of = wide(gradient[i]);
    if constexpr (kSums) sums[i] += of * (wide(value[i]) - (gain.bias ? wide(gain.bias[i]) : Sum{0}));
    if constexpr (kScaled) setNumber(scaled + i, of * gain.gain[i]);
  }
}

// Row by row, in memory order: the sums of all columns stay in the L1 cache.
template <typename T, typename Sum = SumOf<T>>
void gainBackward(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums, int64_t rows) {
  if (sums) std::memset(static_cast<void*>(sums), 0, gain.columns * sizeof(Sum));
  for (int64_t row = 0; row < rows; ++row, gradient += gain.columns) {
    const int64_t at = row * gain.columns;
    if (sums && scaled) gainRowBackward<true, true>(gain, gradient, value + at, scaled + at, sums);
    else if (sums) gainRowBackward<true, false>(gain, gradient, value + at, scaled, sums);
    else if (scaled) gainRowBackward<false, true>(gain, gradient, value, scaled + at, sums);
  }
}

// The tangent of the magnitude's part of a DoRA layer: y = c ⊙ p + b, with tangents of p and c. Shapes: [N, O].

// A row of bias and of the gain's tangent, as numbers to compute with; 0 if there is none.
template <typename T, typename Sum>
Sum* wideRow(const T* from, int64_t count, Buffer<Sum>& buffer) {
  Sum* to = buffer.need(count);
  for (int64_t i = 0; i < count; ++i) to[i] = from ? wide(from[i]) : Sum{0};
  return to;
}

// Overwrites ṗ with c ⊙ ṗ + ċ/c ⊙ (y − b), row by row, in memory order.
template <typename T, typename Sum = SumOf<T>>
void gainTangent(const GainTangent<T>& by, const T* y, T* tangent, int64_t rows) {
  Buffer<Sum> buffer;
  const Sum* bias = wideRow(by.bias, by.columns, buffer);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t start = 0; start < by.columns; start += kPiece) {
      const int64_t count = lesser(kPiece, by.columns - start);
      const Sum *c = by.gain + start, *b = bias + start;
      T* at = tangent + row * by.columns + start;
      Sum result[kPiece];
      if (by.slope) {
        const T* v = y + row * by.columns + start;
        const Sum* slope = by.slope + start;
        for (int64_t i = 0; i < count; ++i) result[i] = c[i] * wide(at[i]) + slope[i] * (wide(v[i]) - b[i]);
      } else {
        for (int64_t i = 0; i < count; ++i) result[i] = c[i] * wide(at[i]);
      }
      writeNumbers(result, count, at);
    }
  }
}

// Some columns of a row, instantiated for each combination of given tensors.
template <bool hasChange, bool hasTangent, bool hasSums, typename T, typename Sum>
[[gnu::always_inline]] inline void passGainBack(const GainTangentBackward<T>& by, int64_t row, int64_t start,
                                                const Sum* bias, const Sum* slopes, Sum* sums) {
  const int64_t at = row * by.columns + start, count = lesser(kPiece, by.columns - start);
  const T *g = by.gradient + at, *change = by.change + at, *y = by.y + at, *yDot = by.yDot + at;
  const Sum *c = by.gain + start, *b = bias + start, *slope = slopes + start;
  Sum *ofGain = sums + start, *ofChange = ofGain + by.columns, *ofTangent = ofChange + by.columns;
  Sum qDot[kPiece];
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) {
    const Sum gradient = wide(g[i]);
    Sum q = slope[i] * gradient;
    Sum value = 0;
    if constexpr (hasSums) {
      value = wide(y[i]) - b[i];
      ofGain[i] += gradient * value;
      if constexpr (hasTangent) ofTangent[i] += gradient * wide(yDot[i]);
    }
    if constexpr (hasChange) {
      const Sum moved = wide(change[i]);
      q += c[i] * moved;
      if constexpr (hasSums) ofChange[i] += moved * value;
    }
    qDot[i] = q;
  }
  writeNumbers(qDot, count, by.qDot + at);
}

constexpr int64_t kStrip = 4 * kPiece;  // columns whose sums stay in the L1 cache

// q̇ = ċ ⊙ g + c ⊙ ġ; and the column sums of g ⊙ (y − b), ġ ⊙ (y − b) and g ⊙ ẏ, in this order.
template <typename T, typename Sum = SumOf<T>>
void gainTangentBackward(const GainTangentBackward<T>& by, int64_t begin, int64_t end, Sum* sums) {
  Buffer<Sum> biases, slopes;
  const Sum *bias = wideRow(by.bias, by.columns, biases), *slope = wideRow(by.gainDot, by.columns, slopes);
  if (sums) std::memset(static_cast<void*>(sums), 0, 3 * by.columns * sizeof(Sum));
  const auto pass = [&](auto hasChange, auto hasTangent, auto hasSums) {
    for (int64_t first = 0; first < by.columns; first += kStrip)
      for (int64_t row = begin; row < end; ++row)
        for (int64_t start = first; start < lesser(first + kStrip, by.columns); start += kPiece)
          passGainBack<hasChange.value, hasTangent.value, hasSums.value>(by, row, start, bias, slope, sums);
  };
  constexpr std::true_type yes;
  constexpr std::false_type no;
  if (!sums) by.change ? pass(yes, no, no) : pass(no, no, no);
  else if (by.yDot) by.change ? pass(yes, yes, yes) : pass(no, yes, yes);
  else by.change ? pass(yes, no, yes) : pass(no, no, yes);
}

BIDORA_DEFINE_TABLE(GainFunctions, .applyGain = applyGain<T>, .gainBackward = gainBackward<T>,
                    .gainTangent = gainTangent<T>, .gainTangentBackward = gainTangentBackward<T>)

}  // namespace bidora::BIDORA_VARIANT
