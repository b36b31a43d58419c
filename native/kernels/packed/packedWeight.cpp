#include "packedWeight.h"

#include <ATen/OpaqueTensorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/common/operands.h"
#include "kernels/common/registration.h"
#include "kernels/products/frozenProduct.h"

namespace bidora {
namespace packedWeight {
namespace {

using at::Tensor;

struct Format {
  const char* name;
  PackedFormat format;
  int64_t elements, bytes;  // that lie together
  bool roundsInputs = false;
};
constexpr Format kFormats[] = {{"nf4", PackedFormat::nf4, 2, 1},       {"fp4", PackedFormat::fp4, 2, 1},
                               {"int8", PackedFormat::int8, 1, 1},     {"q8_0", PackedFormat::q8_0, 32, 34},
                               {"q4_0", PackedFormat::q4_0, 32, 18},   {"q4_1", PackedFormat::q4_1, 32, 20},
                               {"q5_0", PackedFormat::q5_0, 32, 22},   {"q5_1", PackedFormat::q5_1, 32, 24},
                               {"q4_k", PackedFormat::q4_k, 256, 144}, {"q5_k", PackedFormat::q5_k, 256, 176},
                               {"q6_k", PackedFormat::q6_k, 256, 210}, {"w8a8", PackedFormat::int8, 1, 1, true}};

// The matrix and the tensors that hold it.
struct Held {
  std::vector<Tensor> parts;
  PackedMatrix matrix;
};
using Handle = std::shared_ptr<const Held>;
using Impl = at::OpaqueTensorImpl<Handle>;

const Format& formatOf(c10::string_view name) {
  const auto* found = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const Format& format) { return c10::string_view(format.name) == name; });
  TORCH_CHECK(found != std::end(kFormats), "expected a format of packed weights, got ", name);
  return *found;
}

template <typename T>
const T* part(const Tensor& tensor, const char* name, int64_t count) {
  TORCH_CHECK(
      tensor.is_contiguous() && tensor.scalar_type() == c10::CppTypeToScalarType<T>::value && tensor.numel() == count,
      "expected ", count, " contiguous ", name, " of dtype ", c10::CppTypeToScalarType<T>::value, ", got ",
      tensor.numel(), " of dtype ", tensor.scalar_type());
  return tensor.const_data_ptr<T>();
}

// nf4 and fp4: codes [n / 2] and scales [n / block]; or codes, the scales' codes, their levels [256], scales and
// offset [1]. `block` has the elements of a scale and, if the scales are packed, those of a scale of theirs.
void readFourBits(PackedMatrix& matrix, at::TensorList given, at::IntArrayRef block) {
  TORCH_CHECK((given.size() == 2 && block.size() == 1) || (given.size() == 5 && block.size() == 2),
              "expected codes and scales and one block size, or codes, codes of scales, levels, scales and offset and "
              "two block sizes, got ",
              given.size(), " tensors and ", block.size(), " block sizes");
  for (const int64_t size : block) TORCH_CHECK(size >= 32 && size % 32 == 0, "expected a multiple of 32, got ", size);
  const int64_t elements = matrix.rows * matrix.columns, scales = at::divup(elements, block[0]);
  matrix.codes = part<uint8_t>(given[0], "codes", at::divup(elements, 2));
  matrix.block = block[0];
  if (given.size() == 2) matrix.scales = part<float>(given[1], "scales", scales);
  else
    matrix.packedScales = {part<uint8_t>(given[1], "codes of scales", scales), part<float>(given[2], "levels", 256),
                           part<float>(given[3], "scales of scales", at::divup(scales, block[1])), block[1],
                           *part<float>(given[4], "offsets", 1)};
}

PackedMatrix read(const Format& format, at::TensorList given, at::IntArrayRef block, at::IntArrayRef shape) {
  TORCH_CHECK(shape.size() == 2 && shape[0] >= 0 && shape[1] >= 0, "expected a shape of [rows, columns]");
  PackedMatrix matrix{format.format, shape[0], shape[1],           format.elements, format.bytes, nullptr, 0,
                      nullptr,       {},       format.roundsInputs};
  const int64_t elements = shape[0] * shape[1];
  if (format.format == PackedFormat::nf4 || format.format == PackedFormat::fp4) {
    readFourBits(matrix, given, block);
    return matrix;
  }
  const bool isInt8 = format.format == PackedFormat::int8;
  TORCH_CHECK(given.size() == (isInt8 ? 2 : 1) && block.empty(), format.name, ": expected ", isInt8 ? 2 : 1,
              " tensors and no block size, got ", given.size(), " tensors and ", block.size(), " block sizes");
  if (isInt8) {
    matrix.codes = reinterpret_cast<const uint8_t*>(part<int8_t>(given[0], "codes", elements));
    matrix.scales = part<float>(given[1], "scales", shape[0]);
  } else {
    TORCH_CHECK(shape[1] % format.elements == 0, format.name, ": expected rows of whole blocks of ", format.elements,
                " elements, got rows of ", shape[1]);
    matrix.codes = part<uint8_t>(given[0], "bytes", elements / format.elements * format.bytes);
  }
  return matrix;
}

void checkType(at::ScalarType type) {
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16,
              "expected dtype float32 or bfloat16 for a packed weight, got ", type);
}

// Of a matrix whose products round their inputs.
void checkRounding(const PackedMatrix& matrix, at::ScalarType type) {
  TORCH_CHECK(hasByteProducts(), "w8a8: expected a processor with AMX");
  TORCH_CHECK(type == at::kBFloat16, "w8a8: expected dtype bfloat16, got ", type);
  TORCH_CHECK(matrix.columns % 64 == 0, "w8a8: expected rows of a multiple of 64 elements, got rows of ",
              matrix.columns);
}

Tensor pack(at::TensorList parts, c10::string_view format, at::IntArrayRef block, at::IntArrayRef shape,
            at::ScalarType type) {
  checkType(type);
  if (!parts.empty() && parts[0].is_meta()) return at::empty(shape, parts[0].options().dtype(type));
  auto held = std::make_shared<Held>(Held{parts.vec(), read(formatOf(format), parts, block, shape)});
  if (held->matrix.roundsInputs) checkRounding(held->matrix, type);
  return at::detail::make_tensor<Impl>(c10::DispatchKeySet({c10::DispatchKey::CPU, kPackedKey}),
                                       c10::scalarTypeToTypeMeta(type), c10::Device(c10::kCPU), Handle(std::move(held)),
                                       shape);
}

Tensor decode(const Tensor& weight) { return weight.is_meta() ? emptyLike(weight) : denseWeight(weight); }

// Any rows, [n, columns].
Tensor decodeRows(const Tensor& weight, const Tensor& ids) {
  if (weight.is_meta()) return at::empty({ids.size(0), weight.size(1)}, weight.options());
  const PackedMatrix* matrix = packedMatrix(weight);
  TORCH_CHECK(matrix, "expected a packed weight");
  TORCH_CHECK(ids.dim() == 1 && ids.scalar_type() == at::kLong, "expected ids [n] of dtype int64");
  const Tensor rows = ids.contiguous();
  const auto* id = rows.const_data_ptr<int64_t>();
  std::vector<Tensor> values;
  values.reserve(rows.numel());
  for (int64_t i = 0; i < rows.numel(); ++i) {
    TORCH_CHECK_INDEX(id[i] >= 0 && id[i] < matrix->rows, "expected ids of 0 to ", matrix->rows - 1, ", got ", id[i]);
    values.push_back(denseRows(weight, id[i], 1));
  }
  return values.empty() ? at::empty({0, matrix->columns}, weight.scalar_type()) : at::cat(values);
}

Tensor detach(const Tensor& weight) {
  return Tensor(weight.unsafeGetTensorImpl()->shallow_copy_and_detach(c10::VariableVersion(0), true));
}

// Any of libtorch's operators: it gets the decoded values.
void callDecoded(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  const auto& arguments = op.schema().arguments();
  const size_t first = stack->size() - arguments.size();
  for (size_t i = 0; i < arguments.size(); ++i) {
    c10::IValue& value = (*stack)[first + i];
    const bool isWritten = arguments[i].alias_info() && arguments[i].alias_info()->isWrite();
    const auto decoded = [&](const Tensor& tensor) {
      if (!tensor.defined() || !packedMatrix(tensor)) return tensor;
      TORCH_CHECK(!isWritten, op.schema().name(), ": a packed weight can't be changed");
      return denseWeight(tensor);
    };
    if (value.isTensor()) value = decoded(value.toTensor());
    else if (value.isTensorList()) {
      c10::List<Tensor> tensors;
      for (const Tensor& tensor : value.toTensorVector()) tensors.push_back(decoded(tensor));
      value = std::move(tensors);
    } else if (value.isList()) {
      c10::List<c10::IValue> list = value.toList();
      for (size_t k = 0; k < list.size(); ++k)
        if (const c10::IValue& item = list.get(k); item.isTensor()) list.set(k, decoded(item.toTensor()));
    }
  }
  op.redispatchBoxed(keys.remove(kPackedKey), stack);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::packed_weight", [](OperatorLibrary& library) {
  library.define<pack, NoDerivative::ignore>(
      "packed_weight(Tensor[] parts, str format, int[] block, int[] shape, ScalarType dtype) -> Tensor");
  library.define<decode, NoDerivative::ignore>("decode_weight(Tensor weight) -> Tensor");
  library.define<decodeRows, NoDerivative::ignore>("decode_rows(Tensor weight, Tensor ids) -> Tensor");
  // Never destroyed, as worker threads may call operators until the process ends.
  auto* fallback = new torch::Library(torch::Library::IMPL, "_", kPackedKey, __FILE__, __LINE__);
  fallback->fallback(torch::CppFunction::makeFromBoxedFunction<&callDecoded>());
  auto* views = new torch::Library(torch::Library::IMPL, "aten", kPackedKey, __FILE__, __LINE__);
  views->impl("detach", detach);
});

}  // namespace
}  // namespace packedWeight

using at::Tensor;

const PackedMatrix* packedMatrix(const Tensor& weight) {
  if (!weight.key_set().has(kPackedKey)) return nullptr;
  return &static_cast<const packedWeight::Impl*>(weight.unsafeGetTensorImpl())->opaque_handle()->matrix;
}

void checkWeight(const Tensor& weight) {
  if (!weight.key_set().has(kPackedKey)) checkOperand(weight);
}

namespace {

Tensor decodedPart(const Tensor& weight, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const PackedMatrix& matrix = *packedMatrix(weight);
  const Tensor values = at::empty({rows, columns}, at::TensorOptions(weight.scalar_type()));
  const auto decode = [&](auto type) {
    using T = decltype(type);
    auto* to = write<T>(values);
    at::parallel_for(0, rows, kGrain / std::max<int64_t>(columns, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        functions<PackedFunctions, T>().decode(matrix, row + i, column, columns, to + i * columns);
    });
  };
  if (weight.scalar_type() == at::kFloat) decode(float{});
  else decode(c10::BFloat16{});
  return values;
}

}  // namespace

Tensor denseRows(const Tensor& weight, int64_t first, int64_t count) {
  return packedMatrix(weight) ? decodedPart(weight, first, count, 0, weight.size(1)) : weight.narrow(0, first, count);
}

Tensor denseColumns(const Tensor& weight, int64_t first, int64_t count) {
  return packedMatrix(weight) ? decodedPart(weight, 0, weight.size(0), first, count) : weight.narrow(1, first, count);
}

Tensor denseWeight(const Tensor& weight) {
  return packedMatrix(weight) ? denseRows(weight, 0, weight.size(0)) : weight;
}

}  // namespace bidora
