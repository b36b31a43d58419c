// The attention kernels of each ISA variant, and their arguments.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

// Packed rows: row i has the queries from queryStarts[i] to before queryStarts[i + 1] and the keys from keyStarts[i] to
// before keyEnds[i]. A row's last query has the position of its last key, and a query attends to the keys from `before`
// positions before its own to `after` positions after it. heads / kvHeads query heads share a key head.
struct AttentionShape {
  const int64_t *queryStarts, *keyStarts, *keyEnds;
  int64_t rows, heads, kvHeads, size;
  int64_t before, after;
  double scale;
  Dropping dropping;
};

// What is added to the scaled products of a head: [H, most queries, most keys], of which shorter rows use the upper
// left part. Null for none.
template <typename T>
struct AttentionBias {
  const T* data = nullptr;
  int64_t headStride = 0, stride = 0;
};

template <typename T>
struct AttentionInputs {
  Rows<const T> q, k, v;
  AttentionBias<T> bias = {};
};

// Rows [slots, heads · size] of int8, and the scale of each row and head, [slots, heads]: a value is code · scale.
struct Int8Rows {
  const int8_t* codes;
  const float* scales;
  int64_t heads;
};

template <typename T>
struct Int8Inputs {
  Rows<const T> q;
  Int8Rows k, v;
};

// log Σ exp of each query's scores: [H, queries].
template <typename T>
struct AttentionGradients {
  Rows<const T> out;
  const SumOf<T>* logSums;
  Rows<T> q, k, v;
};

// The output's gradient and its tangent, which is 0 if it has no data; then the results: the gradients' tangents and
// the gradients.
template <typename T>
struct AttentionTangentGradients {
  Rows<const T> out, outTangent;
  Rows<T> qTangent, kTangent, vTangent;
  Rows<T> q, k, v;
};

// Memory for the weights of rows whose keys are split among threads; row i's weights begin at offsets[i].
template <typename Sum>
struct SharedKeys {
  Sum* weights;
  const int64_t* offsets;
  int64_t parts;  // into which keys, queries and a head's elements are split
};
// The steps; each finishes for all parts before the next begins.
enum class KeyStep { score, weigh, mix };

// The mask of one head of one row: [queries, keys] with a row stride of `stride` elements.
struct MaskShape {
  int64_t queries, keys, stride;
  uint32_t head;
  Dropping dropping;
};

template <typename T>
struct AttentionFunctions {
  using Sum = SumOf<T>;

  // Computes heads of rows until none is left; the threads share `next`.
  void (*attend)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums,
                 int64_t& next);
  void (*attendBackward)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                         const AttentionGradients<T>& gradients, int64_t& next);
  // The same bits without dropout, for rows with few queries and many keys; `logSums` is scratch memory.
  void (*attendCached)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out, Sum* logSums,
                       int64_t& next);
  // Whether attendStep can compute all rows. Null if the variant has no such code.
  bool (*attendsInSteps)(const AttentionShape& shape, const AttentionInputs<T>& inputs);
  void (*attendStep)(const AttentionShape& shape, const AttentionInputs<T>& inputs, Rows<T> out,
                     const SharedKeys<Sum>& shared, KeyStep step, int64_t& next);
  // The same over int8 keys and values.
  void (*attendInt8)(const AttentionShape& shape, const Int8Inputs<T>& inputs, Rows<T> out, int64_t& next);
  void (*attentionMask)(const MaskShape& shape, T* mask);
  void (*attendTangent)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                        const AttentionInputs<T>& tangents, Rows<T> out, int64_t& next);
  void (*attendTangentBackward)(const AttentionShape& shape, const AttentionInputs<T>& inputs,
                                const AttentionInputs<T>& tangents, const AttentionTangentGradients<T>& gradients,
                                int64_t& next);
};
BIDORA_FUNCTIONS(AttentionFunctions)

}  // namespace bidora
