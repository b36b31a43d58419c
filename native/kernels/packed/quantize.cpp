// Packs matrices, with the same bytes as bitsandbytes (nf4, fp4, int8) and ggml (q8_0, q4_0).
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/common/operands.h"
#include "kernels/common/registration.h"
#include "tables.h"

namespace bidora::quantize {
namespace {

using at::Tensor;

// A product that is rounded before it is added to, also where the processor could fuse both.
float rounded(float product) {
  volatile float kept = product;
  return kept;
}

float largest(const float* x, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(x[i]));
  return most;
}

// A table's codes in the order of their values, and the middles between them.
struct Nearest {
  std::array<uint8_t, 16> order;
  std::array<float, 15> middles;

  explicit Nearest(const std::array<float, 16>& table) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return table[a] < table[b]; });
    for (size_t i = 0; i < 15; ++i) middles[i] = (table[order[i]] + table[order[i + 1]]) / 2;
  }

  uint8_t code(float x) const {
    size_t place = 0;
    for (const float middle : middles) place += middle < x;
    return order[place];
  }
};

// bitsandbytes divides by the scale of a whole block by multiplying with its inverse, and directly in a part of one.
void packFourBits(const Nearest& nearest, const float* x, int64_t count, bool isWhole, float& scale, uint8_t* to) {
  constexpr float kSmallest = 1e-38F;
  const float most = largest(x, count), divisor = std::max(most, kSmallest), inverse = 1.0F / divisor;
  scale = isWhole ? most : divisor;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t code = nearest.code(std::clamp(isWhole ? x[i] * inverse : x[i] / divisor, -1.0F, 1.0F));
    if (i % 2 == 0) to[i / 2] = static_cast<uint8_t>(code << 4 | (i + 1 == count ? nearest.code(0) : 0));
    else to[i / 2] |= code;
  }
}

std::vector<Tensor> fourBits(const Tensor& weight, const std::array<float, 16>& table, int64_t block) {
  TORCH_CHECK(block >= 32 && block % 32 == 0, "expected a block size that is a multiple of 32, got ", block);
  const int64_t count = weight.numel(), blocks = (count + block - 1) / block;
  const Tensor codes = at::empty({(count + 1) / 2}, weight.options().dtype(at::kByte)),
               scales = at::empty({blocks}, weight.options());
  if (weight.is_meta()) return {codes, scales};
  const Nearest nearest(table);
  const auto* x = weight.const_data_ptr<float>();
  auto* to = codes.data_ptr<uint8_t>();
  auto* scale = scales.data_ptr<float>();
  at::parallel_for(0, blocks, kGrain / block + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t some = std::min(block, count - i * block);
      packFourBits(nearest, x + i * block, some, some == block, scale[i], to + i * block / 2);
    }
  });
  return {codes, scales};
}

// Rows of bytes. bitsandbytes rounds the weight to float16 first, and torch divides 127 by a tensor by way of its
// inverse.
std::vector<Tensor> int8(const Tensor& weight) {
  const int64_t rows = weight.size(0), columns = weight.size(1);
  const Tensor codes = at::empty({rows, columns}, weight.options().dtype(at::kChar)),
               scales = at::empty({rows}, weight.options());
  if (weight.is_meta()) return {codes, scales};
  const auto* x = weight.const_data_ptr<float>();
  auto* to = codes.data_ptr<int8_t>();
  auto* scale = scales.data_ptr<float>();
  at::parallel_for(0, rows, kGrain / std::max<int64_t>(columns, 1) + 1, [&](int64_t begin, int64_t end) {
    std::vector<float> row(columns);
    for (int64_t i = begin; i < end; ++i) {
      std::transform(x + i * columns, x + (i + 1) * columns, row.begin(),
                     [](float value) { return static_cast<float>(c10::Half(value)); });
      const float most = largest(row.data(), columns), factor = most == 0 ? 0 : rounded(1.0F / most) * 127.0F;
      scale[i] = most;
      for (int64_t j = 0; j < columns; ++j) to[i * columns + j] = static_cast<int8_t>(std::nearbyint(row[j] * factor));
    }
  });
  return {codes, scales};
}

void writeHalf(float value, uint8_t* to) {
  const c10::Half half(value);
  std::memcpy(to, &half, sizeof half);
}

// Halves are rounded away from zero.
void packQ8_0(const float* x, uint8_t* to) {
  const float scale = largest(x, 32) / 127, inverse = scale == 0 ? 0 : 1 / scale;
  writeHalf(scale, to);
  for (int64_t i = 0; i < 32; ++i) to[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

// The largest element in magnitude becomes −8.
void packQ4_0(const float* x, uint8_t* to) {
  const float most = *std::max_element(x, x + 32, [](float a, float b) { return std::abs(a) < std::abs(b); });
  const float scale = most / -8, inverse = scale == 0 ? 0 : 1 / scale;
  writeHalf(scale, to);
  const auto code = [&](int64_t i) {
    return static_cast<uint8_t>(std::clamp(std::trunc(rounded(x[i] * inverse) + 8.5F), 0.0F, 15.0F));
  };
  for (int64_t i = 0; i < 16; ++i) to[2 + i] = static_cast<uint8_t>(code(i) | code(i + 16) << 4);
}

std::vector<Tensor> blocksOf32(const Tensor& weight, int64_t bytes, void (*pack)(const float*, uint8_t*)) {
  TORCH_CHECK(weight.size(1) % 32 == 0, "expected rows of whole blocks of 32 elements, got rows of ", weight.size(1));
  const int64_t blocks = weight.numel() / 32;
  const Tensor packed = at::empty({blocks * bytes}, weight.options().dtype(at::kByte));
  if (weight.is_meta()) return {packed};
  const auto* x = weight.const_data_ptr<float>();
  auto* to = packed.data_ptr<uint8_t>();
  at::parallel_for(0, blocks, kGrain / 32, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack(x + i * 32, to + i * bytes);
  });
  return {packed};
}

std::vector<Tensor> quantize(const Tensor& given, c10::string_view format, int64_t block) {
  checkOperand(given);
  TORCH_CHECK(given.dim() == 2 && given.scalar_type() == at::kFloat, "expected a float32 weight of [out, in], got ",
              given.sizes(), " ", given.scalar_type());
  const Tensor weight = given.contiguous();
  if (format == "nf4") return fourBits(weight, normalLevels(), block);
  if (format == "fp4") return fourBits(weight, floatLevels(), block);
  TORCH_CHECK(block == 0, "expected no block size for ", format, ", got ", block);
  if (format == "int8") return int8(weight);
  if (format == "q8_0") return blocksOf32(weight, 34, packQ8_0);
  if (format == "q4_0") return blocksOf32(weight, 18, packQ4_0);
  TORCH_CHECK(false, "expected nf4, fp4, int8, q8_0 or q4_0, got ", format);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::quantize_weight", [](OperatorLibrary& library) {
  library.define<quantize, NoDerivative::ignore>("quantize_weight(Tensor weight, str format, int block=0) -> Tensor[]");
});

}  // namespace
}  // namespace bidora::quantize
