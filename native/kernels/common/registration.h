// Registers our operators in the namespace `bidora` of libtorch's dispatcher. Each has one kernel for the CPU and for
// meta tensors, of which it computes only shapes and dtypes, and one for the dispatch key Autograd.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <type_traits>

#include "operands.h"

namespace bidora {

// How an operator without an Autograd kernel treats gradients.
enum class NoDerivative {
  refuse,  // an operand that requires a gradient is an error in grad mode
  ignore,  // the results require no gradient
};

// Throws unless all tensors are on the same device.
class OneDevice {
 public:
  template <typename... Arguments>
  explicit OneDevice(const Arguments&... arguments) {
    (check(arguments), ...);
  }

 private:
  void check(const at::Tensor& tensor);
  void check(const Maybe& tensor);
  void check(at::TensorList tensors);
  template <typename T>
  void check(const T&) {}

  std::optional<at::Device> device_;
};

// A kernel that throws if a tensor is on another device; the dispatcher calls it if any tensor is on Meta.
template <auto kernel>
struct OnOneDevice;
template <typename Result, typename... Parameters, Result (*kernel)(Parameters...)>
struct OnOneDevice<kernel> {
  static Result call(Parameters... arguments) {
    OneDevice(arguments...);
    return kernel(arguments...);
  }
};

class OperatorLibrary {
 public:
  explicit OperatorLibrary(torch::Library& library) : library_(library) {}

  // `autograd` is a kernel too, of the same function type, or a NoDerivative. An operator with a backward pass is
  // defined by defineDifferentiable (differentiable.h).
  template <auto kernel, auto autograd>
  void define(const char* schema) {
    const std::string name = declare(schema);
    add(name, c10::DispatchKey::CPU, torch::CppFunction(kernel));
    add(name, c10::DispatchKey::MkldnnCPU, torch::CppFunction(kernel));     // for a weight in oneDNN's packed layout
    add(name, kPackedKey, torch::CppFunction(&OnOneDevice<kernel>::call));  // some operand is a packed weight
    add(name, c10::DispatchKey::Meta, torch::CppFunction(&OnOneDevice<kernel>::call));
    if constexpr (std::is_same_v<decltype(autograd), NoDerivative>) addAutograd(name, autograd);
    else add(name, c10::DispatchKey::Autograd, torch::CppFunction(autograd));
  }

  // For an operator that takes only tensor lists: if all are empty, the CPU kernel is called.
  void allowEmptyLists(const char* name);

 private:
  std::string declare(const char* schema);
  void add(const std::string& name, c10::DispatchKey key, torch::CppFunction kernel);
  void addAutograd(const std::string& name, NoDerivative gradients);

  torch::Library& library_;
};

// Defines operators once per process, as a second copy of the addon may be loaded from another path. To be called from
// static initializers, which the dynamic loader runs one at a time.
bool defineOnce(const char* firstName, void (*define)(OperatorLibrary&));

// Calls an operator's kernel for its operands' device, below autograd; used by Autograd kernels. `kernel` is the one
// for the CPU, whose type all its kernels share.
template <auto kernel, typename... Arguments>
auto callKernel(const char* name, const Arguments&... arguments) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<std::remove_pointer_t<decltype(kernel)>>();
  const at::AutoDispatchBelowADInplaceOrView below;
  return op.redispatch(c10::detail::multi_dispatch_key_set(arguments...) & c10::after_ADInplaceOrView_keyset,
                       arguments...);
}

}  // namespace bidora
