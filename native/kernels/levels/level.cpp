// All that is built once for each level of instructions: BIDORA_LEVEL names the level, the compiler's options its
// instructions.
#include "attentionRows.h"
#include "direction.h"
#include "dropoutRange.h"
#include "frozenProduct.h"
#include "gainRows.h"
#include "gainTangent.h"

#include "gramPass.h"
#include "normRows.h"
#include "outerProduct.h"

#define BIDORA_TEXT_OF(name) #name
#define BIDORA_TEXT(name) BIDORA_TEXT_OF(name)

namespace bidora::BIDORA_LEVEL {
namespace {

template <typename T>
constexpr Functions<T> kFunctions{
    dropRange<T, T>,     attend<T>,      attendBackward<T>, attentionMask<T>, normRows<T>,
    normRowsBackward<T>, applyGain<T>,   gainBackward<T>,   addTiles<T>,      directionSquares<SumOf<T>>,
    weightTimes<T>,      timesWeight<T>, kFrozenProduct<T>, kOuterProduct<T>,
    weightTimes<T>,      timesWeight<T>, gainTangent<T>,    gainTangentBackward<T>,
};

}  // namespace

extern const Level level;
const Level level{BIDORA_TEXT(BIDORA_LEVEL), kFunctions<float>, kFunctions<double>, kFunctions<Bfloat16>};

}  // namespace bidora::BIDORA_LEVEL
