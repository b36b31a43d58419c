// Between libtorch's tensors and the levels' functions.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Exception.h>

#include <initializer_list>
#include <limits>
#include <optional>

#include "levels.h"

namespace bidora {

constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread

// A type of tensor as the levels know it.
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, c10::BFloat16>, Bfloat16, T>;

template <typename T>
const Functions<Stored<T>>& functions() {
  if constexpr (std::is_same_v<T, double>) return level().float64;
  else if constexpr (std::is_same_v<T, float>) return level().float32;
  else return level().bfloat16;
}

// Null for a tensor that is not there.
template <typename T>
const Stored<T>* read(const at::Tensor& tensor) {
  return tensor.defined() ? reinterpret_cast<const Stored<T>*>(tensor.const_data_ptr<T>()) : nullptr;
}
template <typename T>
Stored<T>* write(const at::Tensor& tensor) {
  return reinterpret_cast<Stored<T>*>(tensor.data_ptr<T>());
}

inline void checkOperand(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.defined() && tensor.device().is_cpu() && tensor.layout() == at::kStrided,
              "expected dense tensors on the CPU, got one of ", tensor.layout(), " layout on ", tensor.device());
  TORCH_CHECK(!tensor.is_conj() && !tensor.is_neg() && tensor.is_floating_point(),
              "expected floating-point numbers, got ", tensor.scalar_type());
}

// Whatever comes from outside: what follows reads the memory of these.
inline void checkOperands(std::initializer_list<const at::Tensor*> tensors) {
  for (const at::Tensor* tensor : tensors) checkOperand(*tensor);
}
inline void checkOperands(std::initializer_list<const std::optional<at::Tensor>*> tensors) {
  for (const std::optional<at::Tensor>* tensor : tensors)
    if (*tensor) checkOperand(**tensor);
}

// A tensor that may not be there, as one that is not defined.
inline at::Tensor orNone(const std::optional<at::Tensor>& tensor) { return tensor.value_or(at::Tensor()); }

inline at::Tensor contiguousOrNone(const at::Tensor& tensor) { return tensor.defined() ? tensor.contiguous() : tensor; }

// Of what is the derivative of an operator already.
inline void refuseGradients(const char* name, std::initializer_list<at::Tensor> tensors) {
  if (!at::GradMode::is_enabled()) return;
  for (const at::Tensor& tensor : tensors)
    TORCH_CHECK(!tensor.defined() || !tensor.requires_grad(), name,
                " has no derivative of its own: call it on what needs no gradient, or without recording.");
}

// A tangent goes with a tensor of its shape and type; none counts as 0.
inline void checkTangent(const char* name, const at::Tensor& tangent, const at::Tensor& of) {
  if (!tangent.defined()) return;
  checkOperand(tangent);
  TORCH_CHECK(tangent.sizes() == of.sizes() && tangent.scalar_type() == of.scalar_type(), name,
              ": expected a tangent like its tensor, ", of.sizes(), ' ', of.scalar_type(), ", got ", tangent.sizes(),
              ' ', tangent.scalar_type());
}

inline at::ScalarType sumType(const at::Tensor& x) { return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat; }

inline Dropping droppingOf(double p, int64_t seed, int64_t stream) {
  TORCH_CHECK(p >= 0 && p <= 1, "expected a dropout between 0 and 1, got ", p);
  TORCH_CHECK(stream >= 0 && stream <= std::numeric_limits<uint32_t>::max(), "expected a stream of 0 to 2^32 - 1, got ",
              stream);
  return {{static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)}, p};
}

}  // namespace bidora
