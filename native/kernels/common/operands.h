// Connects libtorch's tensors with the functions of the ISA variants. Kernels check their operands with these
// functions. None checks the device, since the dispatcher selects the kernel by device.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>

#include <initializer_list>
#include <limits>
#include <optional>

#include "isaVariants.h"

namespace bidora {

using Maybe = std::optional<at::Tensor>;

constexpr int64_t kGrain = 1 << 14;  // the minimum number of elements per thread

// The ISA variants' type for a tensor's type.
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, c10::BFloat16>, Bfloat16, T>;

// A kernel's functions in the ISA variant in use.
template <template <typename> typename Functions, typename T>
const Functions<Stored<T>>& functions() {
  if constexpr (std::is_same_v<T, double>) return tableInUse<Functions>().float64;
  else if constexpr (std::is_same_v<T, float>) return tableInUse<Functions>().float32;
  else return tableInUse<Functions>().bfloat16;
}

// Null for an undefined tensor.
template <typename T>
const Stored<T>* read(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<const Stored<T>*>(tensor.const_data_ptr<T>()) : nullptr;
}
template <typename T>
Stored<T>* write(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<Stored<T>*>(tensor.data_ptr<T>()) : nullptr;
}

// The key of packed weights (kernels/packed/packedWeight.h), for which libtorch has no kernels.
constexpr c10::DispatchKey kPackedKey = c10::DispatchKey::Fake;

inline void checkOperand(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.defined() && tensor.layout() == at::kStrided, "expected a dense tensor, got one with ",
              tensor.layout(), " layout");
  TORCH_CHECK(!tensor.key_set().has(kPackedKey), "expected a dense tensor, got a packed weight");
  TORCH_CHECK(tensor.is_floating_point(), "expected a floating-point tensor, got ", tensor.scalar_type());
}

// To be called for all operands from outside, since kernels read their memory.
inline void checkOperands(std::initializer_list<const at::Tensor*> tensors) {
  for (const at::Tensor* tensor : tensors) checkOperand(*tensor);
}
inline void checkOperands(std::initializer_list<const Maybe*> tensors) {
  for (const Maybe* tensor : tensors)
    if (*tensor) checkOperand(**tensor);
}

// An empty tensor like another one, in row-major order.
inline at::Tensor emptyLike(const at::Tensor& tensor) { return at::empty(tensor.sizes(), tensor.options()); }

// Whether there is anything to compute for a result of these sizes: on the meta device there is not.
inline bool isComputed(const at::Tensor& result) { return !result.is_meta() && result.numel() > 0; }

// Converts a missing tensor to an undefined one, and back.
inline at::Tensor orNone(const Maybe& tensor) { return tensor.value_or(at::Tensor()); }
inline Maybe ifDefined(const at::Tensor& tensor) { return tensor.defined() ? Maybe(tensor) : std::nullopt; }

// With contiguous rows, as in slices of a fused product. An undefined tensor stays one, and has no rows.
inline at::Tensor inRows(const at::Tensor& x) { return !x.defined() || x.stride(1) == 1 ? x : x.contiguous(); }
template <typename T>
Rows<const Stored<T>> rowsOf(const at::Tensor& x) {
  return {read<T>(x), x.defined() ? x.stride(0) : 0};
}
template <typename T>
Rows<Stored<T>> writableRows(const at::Tensor& x) {
  return {write<T>(x), x.stride(0)};
}

inline at::Tensor contiguousOrNone(const at::Tensor& tensor) { return tensor.defined() ? tensor.contiguous() : tensor; }

// A tangent has its tensor's shape and dtype; a missing one means 0.
inline void checkTangent(const char* name, const at::Tensor& tangent, const at::Tensor& of) {
  if (!tangent.defined()) return;
  checkOperand(tangent);
  TORCH_CHECK(tangent.sizes() == of.sizes() && tangent.scalar_type() == of.scalar_type(), name,
              ": expected a tangent like its tensor, ", of.sizes(), ' ', of.scalar_type(), ", got ", tangent.sizes(),
              ' ', tangent.scalar_type());
}

inline at::ScalarType sumType(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

// `stream` has the use of dropout within the pass in its lower 32 bits, and above them the number of the tensor's first
// row (or token) among those of all ranks.
inline Dropping droppingOf(double p, int64_t seed, int64_t stream) {
  TORCH_CHECK(p >= 0 && p <= 1, "expected a dropout probability between 0 and 1, got ", p);
  TORCH_CHECK(stream >= 0, "expected a stream of at least 0, got ", stream);
  return {{static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)}, p, stream >> 32};
}

}  // namespace bidora
