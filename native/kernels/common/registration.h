// Operators of our own, in the namespace `bidora` of libtorch's dispatcher, each with kernels by dispatch key: the
// CPU's, Meta's, which gives shapes and dtypes alone, and Autograd's. The dispatcher picks one by the operands'
// devices.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <type_traits>

namespace bidora {

// What happens to gradients if an operator has no Autograd kernel.
enum class NoDerivative {
  refuse,  // an operand that requires a gradient is an error while operations are recorded
  ignore,  // the results require no gradient
};

// Throws unless all tensors are on the first one's device.
class OneDevice {
 public:
  template <typename... Arguments>
  explicit OneDevice(const Arguments&... arguments) {
    (check(arguments), ...);
  }

 private:
  void check(const at::Tensor& tensor);
  void check(const std::optional<at::Tensor>& tensor);
  void check(at::TensorList tensors);
  template <typename T>
  void check(const T&) {}

  std::optional<at::Device> device_;
};

// A Meta kernel that refuses tensors of other devices: the dispatcher calls it where one tensor of several is on Meta.
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

  // The kernels are functions of one type; `autograd` is one too, or says what happens to gradients without it.
  template <auto cpu, auto meta, auto autograd>
  void define(const char* schema) {
    const std::string name = declare(schema);
    add(name, c10::DispatchKey::CPU, torch::CppFunction(cpu));
    add(name, c10::DispatchKey::MkldnnCPU, torch::CppFunction(cpu));  // with a weight in oneDNN's own layout
    add(name, c10::DispatchKey::Meta, torch::CppFunction(&OnOneDevice<meta>::call));
    if constexpr (std::is_same_v<decltype(autograd), NoDerivative>) addAutograd(name, autograd);
    else add(name, c10::DispatchKey::Autograd, torch::CppFunction(autograd));
  }

  // For an operator of lists alone, which may all be empty: then the CPU's kernel is called.
  void allowEmptyLists(const char* name);

 private:
  std::string declare(const char* schema);
  void add(const std::string& name, c10::DispatchKey key, torch::CppFunction kernel);
  void addAutograd(const std::string& name, NoDerivative gradients);

  torch::Library& library_;
};

// Defines operators once in the process: a second copy of the addon, loaded from another path, finds them defined.
// Meant for static initialisers, which the dynamic loader runs one at a time.
bool defineOnce(const char* firstName, void (*define)(OperatorLibrary&));

// Calls the kernel of an operator for the device of its operands, below autograd; Autograd kernels use it. `cpu` is the
// operator's CPU kernel, which gives the type of all its kernels.
template <auto cpu, typename... Arguments>
auto callKernel(const char* name, const Arguments&... arguments) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<std::remove_pointer_t<decltype(cpu)>>();
  const at::AutoDispatchBelowADInplaceOrView below;
  return op.redispatch(c10::detail::multi_dispatch_key_set(arguments...) & c10::after_ADInplaceOrView_keyset,
                       arguments...);
}

}  // namespace bidora
