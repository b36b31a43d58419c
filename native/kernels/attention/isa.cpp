// The attention kernels' function table of one ISA variant.
#include "functions.h"
#include "isa/cached.h"
#include "isa/int8.h"
#include "isa/rows.h"
#include "isa/tangentRows.h"

namespace bidora::BIDORA_ISA {

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

template <typename T>
constexpr AttentionFunctions<T> kOf{
    .attend = attend<T>,
    .attendBackward = attendBackward<T>,
    .attendCached = kCached<T>.attendCached,
    .attendsInSteps = kCached<T>.attendsInSteps,
    .attendStep = kCached<T>.attendStep,
    .attendInt8 = attendInt8<T>,
    .attentionMask = attentionMask<T>,
    .attendTangent = attendTangent<T>,
    .attendTangentBackward = attendTangentBackward<T>,
};

}  // namespace

BIDORA_DEFINE_TABLE(AttentionFunctions, kOf)

}  // namespace bidora::BIDORA_ISA
