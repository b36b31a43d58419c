// Packed matrices: frozen weights in a quantization format, which products decode tile by tile.
#pragma once

#include "kernels/common/functionTable.h"

namespace bidora {

constexpr int64_t kGranule = 32;  // elements that are decoded together

// bitsandbytes' 4-bit types and its 8-bit rows, and ggml's blocks.
enum class PackedFormat { nf4, fp4, int8, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k };

// bitsandbytes' double quantization of the scales: scale i is levels[codes[i]]·scales[i / block] + offset.
struct PackedScales {
  const uint8_t* codes;
  const float *levels, *scales;
  int64_t block;
  float offset;
};

// Elements in row-major order. Blocks of nf4 and fp4 run over the whole matrix; the others' divide its rows.
struct PackedMatrix {
  PackedFormat format;
  int64_t rows, columns;
  int64_t blockElements, blockBytes;  // that lie together in `codes`
  const uint8_t* codes;  // two codes a byte, the first in the high half (nf4, fp4); one (int8); whole blocks (ggml)
  int64_t block;         // elements with the same scale (nf4, fp4)
  const float* scales;   // of blocks (nf4, fp4) or of rows (int8); null if they are packed
  PackedScales packedScales;
  bool roundsInputs;  // whether products round their left operand to int8 (w8a8)
};

template <typename T>
struct PackedFunctions {
  // Writes `count` elements of a row from `column` on, rounded to T.
  void (*decode)(const PackedMatrix& matrix, int64_t row, int64_t column, int64_t count, T* to);
};
BIDORA_FUNCTIONS(PackedFunctions)

}  // namespace bidora
