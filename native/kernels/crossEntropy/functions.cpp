// Cross-entropies of rows of logits z with targets t: log Σ exp z − z_t, with the gradient p − 1_t for p = softmax(z)
// and the gradient's derivative along ż, p ∘ (ż − ⟨p, ż⟩).
#include "functions.h"
#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

// The maximum of a row, and Σ exp(z − maximum).
template <typename Sum>
struct Softmax {
  Sum largest, sum;
};

template <typename T, typename Sum = SumOf<T>>
Sum largestOf(const T* row, int64_t count) {
  Sum largest = wide(row[0]);
  Vector<Sum> lanes = Vector<Sum>{} + largest;
  int64_t i = 0;
  for (; i + kLanes<Sum> <= count; i += kLanes<Sum>) {
    const Vector<Sum> x = loadWide(row + i);
    lanes = x > lanes ? x : lanes;
  }
  largest = maxOf<Sum>(lanes);
  for (; i < count; ++i) largest = wide(row[i]) > largest ? wide(row[i]) : largest;
  return largest;
}

// Ignores lanes past the end, which loadSome fills with 0.
template <typename Sum>
[[gnu::always_inline]] inline Vector<Sum> firstLanes(Vector<Sum> x, int64_t lanes) {
  for (int64_t i = lanes; i < kLanes<Sum>; ++i) x[i] = 0;
  return x;
}

constexpr int64_t kSummedAtOnce = 1024;  // elements per partial sum

// Σ of(index, lanes) over the vectors of `count` elements.
template <typename Sum, typename Of>
[[gnu::always_inline]] inline Sum sumInParts(int64_t count, Of of) {
  Vector<Sum> total{};
  for (int64_t begin = 0; begin < count; begin += kSummedAtOnce) {
    Vector<Sum> part{};
    forEachVector<Sum>(lesser(kSummedAtOnce, count - begin),
                       [&](int64_t i, int64_t lanes) { part += of(begin + i, lanes); });
    total += part;
  }
  return sumOf<Sum>(total);
}

template <typename T, typename Sum = SumOf<T>>
Softmax<Sum> softmaxOf(const T* row, int64_t count) {
  const Sum largest = largestOf(row, count);
  return {largest, sumInParts<Sum>(count, [&](int64_t i, int64_t lanes) {
            return firstLanes<Sum>(exponential(loadSome(row + i, lanes) - largest), lanes);
          })};
}

template <typename T, typename Sum = SumOf<T>>
bool isFirstLargest(const T* row, int64_t place, Sum largest) {
  if (wide(row[place]) != largest) return false;
  for (int64_t i = 0; i < place; ++i)
    if (wide(row[i]) == largest) return false;
  return true;
}

template <typename T, typename Sum = SumOf<T>>
void crossEntropy(const CrossEntropy<T>& of, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    T* row = of.logits + n * of.columns;
    const int64_t target = of.targets[n];
    const Softmax<Sum> softmax = softmaxOf(row, of.columns);
    const Sum below = wide(row[target]) - softmax.largest, scale = 1 / softmax.sum;
    of.losses[n] = logarithm(softmax.sum) - below;
    of.hits[n] = isFirstLargest(row, target, softmax.largest);
    if (!of.wantsGradient) continue;
    forEachVector<Sum>(of.columns, [&](int64_t i, int64_t lanes) {
      storeSome<Sum>(row + i, exponential(loadSome(row + i, lanes) - softmax.largest) * scale, lanes);
    });
    setNumber(row + target, exponential(Vector<Sum>{} + below)[0] * scale - 1);
  }
}

template <typename T, typename Sum = SumOf<T>>
void crossEntropyTangent(const CrossEntropyTangent<T>& of, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const T* row = of.logits + n * of.columns;
    T* tangent = of.tangent + n * of.columns;
    const Softmax<Sum> softmax = softmaxOf(row, of.columns);
    const auto power = [&](int64_t i, int64_t lanes) {
      return exponential(loadSome(row + i, lanes) - softmax.largest);
    };
    const Sum scale = 1 / softmax.sum;
    const Sum mean = scale * sumInParts<Sum>(of.columns, [&](int64_t i, int64_t lanes) {
                       return power(i, lanes) * loadSome(tangent + i, lanes);  // 0 past the end
                     });
    forEachVector<Sum>(of.columns, [&](int64_t i, int64_t lanes) {
      storeSome<Sum>(tangent + i, power(i, lanes) * scale * (loadSome(tangent + i, lanes) - mean), lanes);
    });
  }
}

BIDORA_DEFINE_TABLE(CrossEntropyFunctions, .crossEntropy = crossEntropy<T>,
                    .crossEntropyTangent = crossEntropyTangent<T>)

}  // namespace bidora::BIDORA_VARIANT
