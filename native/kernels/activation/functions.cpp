// Activations and their first two derivatives, element-wise. Each is x·s(x) with s between 0 and 1.
#include "functions.h"
#include "kernels/simd/numbers.h"

namespace bidora::BIDORA_VARIANT {

// f(x), f'(x) and f''(x).
template <typename Sum>
struct Curve {
  Vector<Sum> value, slope, curvature;
};

// x·s and its derivatives from s and its derivatives.
template <typename Sum>
[[gnu::always_inline]] inline Curve<Sum> timesSelf(Vector<Sum> x, const Curve<Sum>& s) {
  return {x * s.value, s.value + x * s.slope, s.slope + s.slope + x * s.curvature};
}

// Φ(−a) of the normal distribution for a ≥ 0, from bell = exp(−a²/2). Mills' ratio Φ(−a) / bell is t times a polynomial
// in 1 − 2t, t = 3 / (3 + a), with a relative error of 4e-8. The tail keeps its digits, which 1 + erf would lose.
[[gnu::always_inline]] inline Vector<float> normalTail(Vector<float> a, Vector<float> bell) {
  const Vector<float> t = 3.0F / (3.0F + a), q = 1.0F - (t + t);
  Vector<float> ratio = q * -9.073560796e-5F - 3.038076393e-4F;
  ratio = ratio * q + 3.591623972e-4F;
  ratio = ratio * q + 2.309834119e-3F;
  ratio = ratio * q - 3.493173281e-3F;
  ratio = ratio * q - 1.575240679e-2F;
  ratio = ratio * q + 7.667308301e-2F;
  ratio = ratio * q - 1.697774082e-1F;
  ratio = ratio * q + 2.430278957e-1F;
  return bell * (t * ratio);
}
[[gnu::always_inline]] inline Vector<double> normalTail(Vector<double> a, Vector<double>) {
  constexpr double kRootHalf = 0.70710678118654752440;
  for (int64_t i = 0; i < kLanes<double>; ++i) a[i] = 0.5 * __builtin_erfc(a[i] * kRootHalf);
  return a;
}

// x·Φ(x) (arXiv 1606.08415).
struct Gelu {
  template <typename Sum>
  [[gnu::always_inline]] static Curve<Sum> at(Vector<Sum> x) {
    constexpr Sum kDensity = static_cast<Sum>(0.39894228040143267794);  // 1 / √(2π)
    const Vector<Sum> a = x < 0 ? -x : x, bell = exponential(x * x * Sum{-0.5});
    const Vector<Sum> tail = normalTail(a, bell), density = bell * kDensity;
    return timesSelf<Sum>(x, {x < 0 ? tail : 1 - tail, density, -x * density});
  }
};

// σ(w) and σ'(w), without overflow for large |w|.
template <typename Sum>
[[gnu::always_inline]] inline Curve<Sum> logistic(Vector<Sum> w) {
  const Vector<Sum> e = exponential(w < 0 ? w : -w), whole = 1 / (1 + e), rest = e * whole;
  const Vector<Sum> value = w < 0 ? rest : whole, slope = whole * rest;
  return {value, slope, slope * (1 - (value + value))};
}

// GELU's tanh approximation, x·½(1 + tanh u) = x·σ(2u) with u = √(2/π)·(x + 0.044715x³).
struct GeluTanh {
  template <typename Sum>
  [[gnu::always_inline]] static Curve<Sum> at(Vector<Sum> x) {
    constexpr Sum kLinear = static_cast<Sum>(1.59576912160573071176), kCubic = static_cast<Sum>(0.044715);
    const Vector<Sum> square = x * x * kCubic, first = (square * 3 + 1) * kLinear, second = x * (6 * kCubic * kLinear);
    const Curve<Sum> s = logistic<Sum>((x + x * square) * kLinear);
    return timesSelf<Sum>(x, {s.value, s.slope * first, s.curvature * first * first + s.slope * second});
  }
};

// x·σ(x).
struct Silu {
  template <typename Sum>
  [[gnu::always_inline]] static Curve<Sum> at(Vector<Sum> x) {
    return timesSelf<Sum>(x, logistic<Sum>(x));
  }
};

template <typename Use>
[[gnu::always_inline]] inline void withActivation(Activation kind, Use use) {
  switch (kind) {
    case Activation::gelu: use(Gelu{}); break;
    case Activation::geluTanh: use(GeluTanh{}); break;
    case Activation::silu: use(Silu{}); break;
  }
}

template <typename T, typename Sum = SumOf<T>>
void activate(Activation kind, const Activating<T>& of, int64_t count) {
  withActivation(kind, [&](auto f) {
    forEachVector<Sum>(count, [&](int64_t i, int64_t lanes) {
      Vector<Sum> y = f.template at<Sum>(loadSome(of.x + i, lanes)).value;
      if (of.up) y *= loadSome(of.up + i, lanes);
      storeSome<Sum>(of.out + i, y, lanes);
    });
  });
}

// The gradient of x, f'(x)·g, or with a factor `up` f'(x)·up·g; and the gradient of the factor, f(x)·g.
template <typename T, typename Sum = SumOf<T>>
void activateBackward(Activation kind, const ActivatingGradient<T>& of, int64_t count) {
  withActivation(kind, [&](auto f) {
    forEachVector<Sum>(count, [&](int64_t i, int64_t lanes) {
      const auto curve = f.template at<Sum>(loadSome(of.x + i, lanes));
      const Vector<Sum> g = loadSome(of.gradient + i, lanes);
      Vector<Sum> change = curve.slope * g;
      if (of.up) {
        storeSome<Sum>(of.ofUp + i, curve.value * g, lanes);
        change *= loadSome(of.up + i, lanes);
      }
      storeSome<Sum>(of.ofX + i, change, lanes);
    });
  });
}

// Loads the first `lanes` elements; 0 for a null pointer.
template <typename T>
[[gnu::always_inline]] inline Vector<SumOf<T>> loadOrZero(const T* from, int64_t at, int64_t lanes) {
  return from ? loadSome(from + at, lanes) : Vector<SumOf<T>>{};
}

// f'(x)·ẋ, or with a factor `up` f'(x)·ẋ·up + f(x)·u̇p
template <typename T, typename Sum = SumOf<T>>
void activationTangent(Activation kind, const ActivationTangent<T>& of, int64_t begin, int64_t end) {
  withActivation(kind, [&](auto f) {
    forEachVector<Sum>(end - begin, [&](int64_t place, int64_t lanes) {
      const int64_t i = begin + place;
      const auto curve = f.template at<Sum>(loadSome(of.x + i, lanes));
      Vector<Sum> change = curve.slope * loadOrZero(of.xd, i, lanes);
      if (of.up) change = change * loadSome(of.up + i, lanes) + curve.value * loadOrZero(of.upd, i, lanes);
      storeSome<Sum>(of.out + i, change, lanes);
    });
  });
}

// With h = g·up, ḣ = ġ·up + g·u̇p, or without a factor h = g, ḣ = ġ: the gradient of x is f'(x)·h, with the tangent
// f''(x)·ẋ·h + f'(x)·ḣ. The gradient of the factor is f(x)·g, with the tangent f'(x)·ẋ·g + f(x)·ġ.
template <typename T, typename Sum = SumOf<T>>
void activationTangentBackward(Activation kind, const ActivationTangentGradient<T>& of, int64_t begin, int64_t end) {
  withActivation(kind, [&](auto f) {
    forEachVector<Sum>(end - begin, [&](int64_t place, int64_t lanes) {
      const int64_t i = begin + place;
      const auto curve = f.template at<Sum>(loadSome(of.x + i, lanes));
      const Vector<Sum> xd = loadOrZero(of.xd, i, lanes);
      Vector<Sum> h = loadSome(of.g + i, lanes), hd = loadOrZero(of.gd, i, lanes);
      if (of.up) {
        const Vector<Sum> up = loadSome(of.up + i, lanes), upd = loadOrZero(of.upd, i, lanes);
        storeSome<Sum>(of.ofUp + i, curve.value * h, lanes);
        storeSome<Sum>(of.ofUpTangent + i, curve.slope * xd * h + curve.value * hd, lanes);
        hd = hd * up + h * upd;
        h *= up;
      }
      storeSome<Sum>(of.ofX + i, curve.slope * h, lanes);
      storeSome<Sum>(of.ofXTangent + i, curve.curvature * xd * h + curve.slope * hd, lanes);
    });
  });
}

BIDORA_DEFINE_TABLE(ActivationFunctions, .activate = activate<T>, .activateBackward = activateBackward<T>,
                    .activationTangent = activationTangent<T>,
                    .activationTangentBackward = activationTangentBackward<T>)

}  // namespace bidora::BIDORA_VARIANT
