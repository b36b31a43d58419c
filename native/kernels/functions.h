// What is built once for each level of instructions, and what it is called with. Nothing but data may stand here, nor
// in what a level includes anything but the level's own functions: of an inline function the linker keeps one copy, of
// any level.
#pragma once

#include <cstdint>
#include <type_traits>

namespace bidora {

// A bfloat16 number as it lies in memory.
struct Bfloat16 {
  uint16_t bits;
};

// Half types are computed in float.
template <typename T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

// What one use of dropout draws from: `seed` is the pass, `stream` the place of the use in it.
struct DropoutKey {
  uint64_t seed;
  uint32_t stream;
};

// What is dropped, and what the rest is multiplied by.
struct Dropping {
  DropoutKey key;
  double p;
};

// Rows of numbers: row i begins at data[i·stride].
template <typename T>
struct Rows {
  T* data;
  int64_t stride;
};

// Rows laid end to end: queries queryStarts[i] … queryStarts[i + 1] − 1 are row i's, and keys keyStarts[i] … keyEnds[i]
// − 1. The last query of a row stands at its last key, and a query sees the keys from `before` places before its own to
// `after` places after it. heads / kvHeads query heads share a key head.
struct AttentionShape {
  const int64_t *queryStarts, *keyStarts, *keyEnds;
  int64_t rows, heads, kvHeads, size;
  int64_t before, after;
  double scale;
  Dropping dropping;
};

template <typename T>
struct AttentionInputs {
  Rows<const T> q, k, v;
};

// log Σ exp of each query's scores: [H, queries].
template <typename T>
struct AttentionGradients {
  Rows<const T> out;
  const SumOf<T>* logSums;
  Rows<T> q, k, v;
};

// The output's gradient and its tangent; where the gradients' tangents go, and they themselves. Of what comes in, a
// tangent without data counts as 0.
template <typename T>
struct AttentionTangentGradients {
  Rows<const T> out, outTangent;
  Rows<T> qTangent, kTangent, vTangent;
  Rows<T> q, k, v;
};

// Room for the weights of rows whose keys are divided among threads: row i's begin at places[i].
template <typename Sum>
struct SharedKeys {
  Sum* room;
  const int64_t* places;
  int64_t parts;  // that keys, queries and a head's numbers are cut into
};
// What is done for all parts before the next begins.
enum class KeyStep { score, weigh, mix };

// The mask of one head of one row: [queries, keys] with `stride` numbers from query to query.
struct MaskShape {
  int64_t queries, keys, stride;
  uint32_t head;
  Dropping dropping;
};

// N rows of H numbers. Statistics [N, 2]: mean and 1 / √(variance + ε), with 0 as the mean unless the norm is centred.
// Without a bias null, and so the gradient that comes to the sum itself. Without a residual it is null and so is the
// sum: x is normalised, of which nothing is dropped.
template <typename T>
struct Norm {
  const T *x, *residual, *weight, *bias;
  T *sum, *out;
  SumOf<T>* stats;
  int64_t size;
  double epsilon;
  bool isCentred;
  Dropping dropping;
};
template <typename T>
struct NormGradient {
  const T *gradient, *toSum, *sum, *weight;
  const SumOf<T>* stats;
  T *ofX, *ofSum;
  int64_t size;
  bool isCentred;
  Dropping dropping;
};

// The operands of a norm with tangents of the first two; a tangent that is null counts as 0.
template <typename T>
struct NormTangent {
  const T *x, *residual, *weight, *xd, *residuald;
  int64_t size;
  double epsilon;
  bool isCentred;
  Dropping dropping;
};
// What comes to the normed rows and to the sums, of which all but `normed` may be null, and where gradients go.
template <typename T>
struct NormTangentGradient {
  const T *normed, *normedTangent, *sum, *sumTangent;
  T *ofXTangent, *ofResidualTangent, *ofX, *ofResidual;  // of a residual null without one
};

// What a model applies to each element.
enum class Activation { gelu, geluTanh, silu };

// f(x), times `up` where that is not null.
template <typename T>
struct Activating {
  const T *x, *up;
  T* out;
};
template <typename T>
struct ActivatingGradient {
  const T *x, *up, *gradient;
  T *ofX, *ofUp;
};

// The same with tangents, of which one that is null counts as 0.
template <typename T>
struct ActivationTangent {
  const T *x, *up, *xd, *upd;
  T* out;
};
// From a gradient g and its tangent, which may be null, the gradients and their tangents.
template <typename T>
struct ActivationTangentGradient {
  const T *x, *up, *xd, *upd, *g, *gd;
  T *ofXTangent, *ofUpTangent, *ofX, *ofUp;
};

// N tokens of `heads` heads of D numbers, of which the first `turned` (R) are turned by the token's cosines and sines
// [N, R]; transposed, by what carries a gradient back.
template <typename T>
struct Rotary {
  Rows<const T> x, cosines, sines;
  Rows<T> out;
  int64_t heads, size, turned;
  bool isTransposed;
};

// N rows of O columns, the magnitude's gain and the bias [O]; without a bias null.
template <typename T>
struct Gain {
  const T* bias;
  const SumOf<T>* gain;
  int64_t columns;
};

// A gain and what of its tangent goes to y: slope is ċ/c; null without one.
template <typename T>
struct GainTangent {
  const T* bias;
  const SumOf<T>*gain, *slope;
  int64_t columns;
};
// g and ġ of y, y and ẏ [N, O], and where q̇ goes. What is not there is null; y and ẏ are wanted for sums alone.
template <typename T>
struct GainTangentBackward {
  const T *bias, *gradient, *change, *y, *yDot;
  const SumOf<T>*gain, *gainDot;
  T* qDot;
  int64_t columns;
};

// Left operands as rows and as columns, and what they and w give: sums[k][j] = Σ_i left[k][i]·G[i][j] in two parts,
// from the tiles as they are and from the tiles turned over; squares[j] = Σ_i G[i][j]²·w[i].
template <typename Sum>
struct GramPass {
  int64_t size, width;  // padded
  const Sum *w, *rows /* width, size */, *columns /* size, width */;
};
template <typename Sum>
struct GramSums {
  Sum *squares, *rows, *columns;
};
constexpr int64_t kTile = 64;

// The three terms of the squared norms of rows [rows, rank]. Below `cancellation`, a share of its positive terms, a
// squared norm has lost too many digits.
template <typename Sum>
struct DirectionTerms {
  const Sum *base, *projected, *turned, *b;
  Sum scale, cancellation;
  int64_t rows, rank;
};

// What the gradients of norms are made of, rows [rows, rank] and gradients [rows] of the norms; the last two are
// written.
template <typename Sum>
struct DirectionGradients {
  const Sum *ofNorm, *norm, *projected, *turned, *b;
  Sum scale, smallest;
  int64_t rows, rank;
  Sum *weighted, *ofB;
};

// A product with a weight, summed in wide numbers.
template <typename T>
struct WeightProduct {
  Rows<const T> weight;  // [out, in]
  int64_t out, in, rank;
  const SumOf<T>* other;
  SumOf<T>* result;
};

// A product with a frozen matrix, and further depth beside it: ((x·W + low·F)·scale ∘ gain) + bias. W and F lie as
// [columns, depth] and [columns, rank], or turned: as [depth, columns] and [rank, columns]. What is not there is null.
// Of narrow numbers, which are taken in pairs, depth, rank and the strides of x and low are even.
template <typename T>
struct FrozenProduct {
  Rows<const T> x;
  Rows<const T> weight;
  Rows<const T> low;
  Rows<const T> further;
  Rows<T> out;
  int64_t rows, depth, columns, rank;
  bool isTurned;
  SumOf<T> scale;
  const SumOf<T>* gain;
  const T* bias;
};

// The cross-entropies of rows of logits; in place of each row its gradient, where it is wanted.
template <typename T>
struct CrossEntropy {
  T* logits;  // [rows, columns]
  const int64_t* targets;
  int64_t columns;
  bool wantsGradient;
  SumOf<T>* losses;
  uint8_t* hits;  // whether the target is the first of the largest
};
// In place of each row of tangents that of the gradient.
template <typename T>
struct CrossEntropyTangent {
  const T* logits;
  T* tangent;
  int64_t columns;
};

// Σ_n left[n][k]·right[n][c], [rank, columns].
template <typename T>
struct OuterProduct {
  Rows<const T> left, right;
  int64_t rows, rank, columns;
  SumOf<T>* result;
};

constexpr int64_t kWidth = 16;  // what is padded is padded to it

template <typename T>
struct Functions {
  using Sum = SumOf<T>;

  // Elements begin … begin + count − 1, counted through the whole tensor; from and to point at the first.
  void (*drop)(const T* from, T* to, int64_t begin, int64_t count, const Dropping& dropping);

  // Heads of rows until all are taken: `next` is shared by the threads.
  void (*attend)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums,
                 int64_t& next);
  void (*attendBackward)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                         const AttentionGradients<T>& gradients, int64_t& next);
  // The same bits, without dropout, where rows have few queries and many keys: `logSums` is room.
  void (*attendCached)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums,
                       int64_t& next);
  // Whether attendStep can take all rows, one step after the other. Null where the level has no such code.
  bool (*attendsInSteps)(const AttentionShape& shape, const AttentionInputs<T>& inputs);
  void (*attendStep)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out,
                     const SharedKeys<Sum>& shared, KeyStep step, int64_t& next);
  void (*attentionMask)(const MaskShape& shape, T* mask);
  void (*attendTangent)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                        const AttentionInputs<T>& tangents, Rows<T> out, int64_t& next);
  void (*attendTangentBackward)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                                const AttentionInputs<T>& tangents, const AttentionTangentGradients<T>& gradients,
                                int64_t& next);

  // Rows begin … end − 1; there is `room` for one.
  void (*norm)(const Norm<T>& norm, int64_t begin, int64_t end, Sum* room);
  void (*normBackward)(const NormGradient<T>& norm, int64_t begin, int64_t end, Sum* room);

  // The same rows of tangents; there is `room` for four.
  void (*normTangent)(const NormTangent<T>& norm, T* normed, T* sum, int64_t begin, int64_t end, Sum* room);
  void (*normTangentBackward)(const NormTangent<T>& norm, const NormTangentGradient<T>& of, int64_t begin, int64_t end,
                              Sum* room);

  // The first `count` elements.
  void (*activate)(Activation kind, const Activating<T>& of, int64_t count);
  void (*activateBackward)(Activation kind, const ActivatingGradient<T>& of, int64_t count);
  // Elements begin … end − 1.
  void (*activationTangent)(Activation kind, const ActivationTangent<T>& of, int64_t begin, int64_t end);
  void (*activationTangentBackward)(Activation kind, const ActivationTangentGradient<T>& of, int64_t begin,
                                    int64_t end);

  // Tokens begin … end − 1.
  void (*rotate)(const Rotary<T>& call, int64_t begin, int64_t end);

  // y = b + (y − b)·g in place for `rows` rows.
  void (*applyGain)(const Gain<T>& gain, T* y, int64_t rows);
  // From the gradient of y, for `rows` rows: scaled = gradient·g, and sums[o] = Σ_n gradient·(value − b). Either may be
  // null.
  void (*gainBackward)(const Gain<T>& gain, const T* gradient, const T* value, T* scaled, Sum* sums, int64_t rows);

  // Rows begin … end − 1.
  void (*crossEntropy)(const CrossEntropy<T>& of, int64_t begin, int64_t end);
  void (*crossEntropyTangent)(const CrossEntropyTangent<T>& of, int64_t begin, int64_t end);

  // Adds what tiles first … last − 1 give.
  void (*gram)(const GramPass<Sum>& pass, const T* tiles, int64_t first, int64_t last, const GramSums<Sum>& sums);

  // Squared norms from the three terms; false when a row's have cancelled.
  bool (*directionSquares)(const DirectionTerms<Sum>& terms, Sum* squares);
  // weighted = s·f∘B and ofB = s·f∘(projected + s·turned), row by row, with f = ofNorm / norm, 0 where the norm is
  // no more than `smallest`.
  void (*directionGradients)(const DirectionGradients<Sum>& terms);
  // Rows begin … end − 1 of W·otherᵀ, other [rank, in], into [out, rank].
  void (*weightTimes)(const WeightProduct<T>& product, int64_t begin, int64_t end);
  // Columns begin … end − 1 of otherᵀ·W, other [out, rank], into [rank, in].
  void (*timesWeight)(const WeightProduct<T>& product, int64_t begin, int64_t end);

  // Tasks begin … end − 1, each a panel of columns for a chunk of rows, the chunks of a panel one after the other. Null
  // where a library's product is as good.
  void (*frozenProduct)(const FrozenProduct<T>& product, int64_t rowsOfChunk, int64_t begin, int64_t end);
  // The same bits for up to kFewRows rows of a matrix that is not turned: sixteen columns each, begin … end − 1.
  void (*fewRowsProduct)(const FrozenProduct<T>& product, int64_t begin, int64_t end);
  // Columns begin … end − 1. Null likewise.
  void (*outerProduct)(const OuterProduct<T>& product, int64_t begin, int64_t end);
  // A layer with a gain along a direction: ẏ in place of ṗ for `rows` rows, and back for rows begin … end − 1, with
  // three sums by columns.
  void (*gainTangent)(const GainTangent<T>& by, const T* y, T* tangent, int64_t rows);
  void (*gainTangentBackward)(const GainTangentBackward<T>& by, int64_t begin, int64_t end, Sum* sums);
};

constexpr int64_t kPanel = 64;    // columns of a frozen product that are taken together
constexpr int64_t kFewRows = 16;  // of a frozen product, that are multiplied while the matrix is read

struct Level {
  const char* name;
  Functions<float> float32;
  Functions<double> float64;
  Functions<Bfloat16> bfloat16;
};

// Aligned for vectors; throws std::bad_alloc. Given back to std::free.
void* allocateAligned(int64_t bytes);

}  // namespace bidora
