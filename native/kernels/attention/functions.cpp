// The attention kernels' function table of one ISA variant.
#include "functions.h"
#include "functions/cached.h"
#include "functions/int8.h"
#include "functions/rows.h"
#include "functions/tangentRows.h"

namespace bidora::BIDORA_VARIANT {

namespace {

template <typename T>
struct Cached {
  decltype(AttentionFunctions<T>::attendCached) attendCached = attend<T>;
  decltype(AttentionFunctions<T>::attendsInSteps) attendsInSteps = nullptr;
  decltype(AttentionFunctions<T>::attendStep) attendStep = nullptr;
};
#ifdef BIDORA_OWN_PRODUCTS
template <typename T>
constexpr Cached<T> kCached{attendCached<T>, attendsInSteps<T>, attendStep<T>};
template <>
constexpr Cached<double> kCached<double>{};
#else
template <typename T>
constexpr Cached<T> kCached{};
#endif

}  // namespace

BIDORA_DEFINE_TABLE(AttentionFunctions, .attend = attend<T>, .attendBackward = attendBackward<T>,
                    .attendCached = kCached<T>.attendCached, .attendsInSteps = kCached<T>.attendsInSteps,
                    .attendStep = kCached<T>.attendStep, .attendInt8 = attendInt8<T>, .attentionMask = attentionMask<T>,
                    .attendTangent = attendTangent<T>, .attendTangentBackward = attendTangentBackward<T>)

}  // namespace bidora::BIDORA_VARIANT
