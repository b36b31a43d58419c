// All that is built once for each level of instructions: BIDORA_LEVEL names the level, the compiler's options its
// instructions.
#include "activations.h"
#include "attentionCached.h"
#include "attentionRows.h"
#include "attentionTangentRows.h"
#include "crossEntropy.h"
#include "direction.h"
#include "dropoutRange.h"
#include "frozenProduct.h"
#include "gainRows.h"
#include "gainTangent.h"
#include "gramPass.h"
#include "normRows.h"
#include "normTangent.h"
#include "outerProduct.h"
#include "rotary.h"

#define BIDORA_TEXT_OF(name) #name
#define BIDORA_TEXT(name) BIDORA_TEXT_OF(name)

namespace bidora::BIDORA_LEVEL {
namespace {

// Products of our own where they are better than a library's.
template <typename T>
struct Own {
  decltype(Functions<T>::frozenProduct) frozenProduct = nullptr;
  decltype(Functions<T>::fewRowsProduct) fewRowsProduct = nullptr;
  decltype(Functions<T>::outerProduct) outerProduct = nullptr;
  decltype(Functions<T>::attendCached) attendCached = attend<T>;
  decltype(Functions<T>::attendsInSteps) attendsInSteps = nullptr;
  decltype(Functions<T>::attendStep) attendStep = nullptr;
};
#ifdef __AVX512BF16__
template <typename T>
constexpr Own<T> kOwn{frozenProduct<T>, fewRowsProduct<T>, outerProduct<T>,
                      attendCached<T>,  attendsInSteps<T>, attendStep<T>};
template <>
constexpr Own<double> kOwn<double>{};
#else
template <typename T>
constexpr Own<T> kOwn{};
#endif

template <typename T>
constexpr Functions<T> kFunctions{
    .drop = dropRange<T, T>,
    .attend = attend<T>,
    .attendBackward = attendBackward<T>,
    .attendCached = kOwn<T>.attendCached,
    .attendsInSteps = kOwn<T>.attendsInSteps,
    .attendStep = kOwn<T>.attendStep,
    .attentionMask = attentionMask<T>,
    .attendTangent = attendTangent<T>,
    .attendTangentBackward = attendTangentBackward<T>,
    .norm = normRows<T>,
    .normBackward = normRowsBackward<T>,
    .normTangent = normTangent<T>,
    .normTangentBackward = normTangentBackward<T>,
    .activate = activate<T>,
    .activateBackward = activateBackward<T>,
    .activationTangent = activationTangent<T>,
    .activationTangentBackward = activationTangentBackward<T>,
    .rotate = rotate<T>,
    .applyGain = applyGain<T>,
    .gainBackward = gainBackward<T>,
    .crossEntropy = crossEntropy<T>,
    .crossEntropyTangent = crossEntropyTangent<T>,
    .gram = addTiles<T>,
    .directionSquares = directionSquares<SumOf<T>>,
    .directionGradients = directionGradients<SumOf<T>>,
    .weightTimes = weightTimes<T>,
    .timesWeight = timesWeight<T>,
    .frozenProduct = kOwn<T>.frozenProduct,
    .fewRowsProduct = kOwn<T>.fewRowsProduct,
    .outerProduct = kOwn<T>.outerProduct,
    .gainTangent = gainTangent<T>,
    .gainTangentBackward = gainTangentBackward<T>,
};

}  // namespace

extern const Level level;
const Level level{BIDORA_TEXT(BIDORA_LEVEL), kFunctions<float>, kFunctions<double>, kFunctions<Bfloat16>};

}  // namespace bidora::BIDORA_LEVEL
