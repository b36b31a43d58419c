// Rotary position embedding (RoFormer, arXiv 2104.09864), in the layout of Llama's checkpoints: elements j and j + R/2
// of a head are rotated as a pair.
#include "functions.h"
#include "kernels/simd/numbers.h"
#include "kernels/simd/tiles.h"

namespace bidora::BIDORA_VARIANT {

template <typename T, typename Sum = SumOf<T>>
void rotateHead(const Rotary<T>& call, const T* x, const T* cosines, const T* sines, T* out) {
  const int64_t half = call.rotated / 2;
  forEachVector<Sum>(half, [&](int64_t j, int64_t lanes) {
    const Vector<Sum> first = loadSome(x + j, lanes), second = loadSome(x + half + j, lanes);
    const Vector<Sum> ofFirst = loadSome(sines + j, lanes), ofSecond = loadSome(sines + half + j, lanes);
    const Vector<Sum> down = call.isTransposed ? -ofSecond : ofFirst, up = call.isTransposed ? -ofFirst : ofSecond;
    storeSome<Sum>(out + j, fused(first, loadSome(cosines + j, lanes), -(second * down)), lanes);
    storeSome<Sum>(out + half + j, fused(second, loadSome(cosines + half + j, lanes), first * up), lanes);
  });
  std::memcpy(out + call.rotated, x + call.rotated, (call.size - call.rotated) * sizeof(T));
}

template <typename T>
void rotate(const Rotary<T>& call, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token)
    for (int64_t head = 0; head < call.heads; ++head) {
      const int64_t at = head * call.size;
      rotateHead(call, call.x.data + token * call.x.stride + at, call.cosines.data + token * call.cosines.stride,
                 call.sines.data + token * call.sines.stride, call.out.data + token * call.out.stride + at);
    }
}

BIDORA_DEFINE_TABLE(RotaryFunctions, .rotate = rotate<T>)

}  // namespace bidora::BIDORA_VARIANT
