// Meta kernels for operators that lack one in libtorch's C++ (PyTorch registers some in Python). The operator runs on
// zeros on the CPU, and its results are converted to meta tensors. For tests and estimates, not for speed.
#include <ATen/core/Tensor.h>
#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <string>
#include <utility>
#include <vector>

namespace bidora::metaFallback {
namespace {

using at::Tensor;

Tensor onCpu(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_meta()) return tensor;
  return at::zeros(tensor.sizes(), tensor.options().device(at::kCPU));
}

Tensor onMeta(const Tensor& tensor) {
  if (!tensor.defined() || tensor.is_meta()) return tensor;
  return at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta));
}

template <typename Change>
c10::IValue changed(const c10::IValue& value, Change change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    std::vector<Tensor> tensors;
    for (const Tensor& tensor : value.toTensorVector()) tensors.push_back(change(tensor));
    return tensors;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> tensors;
    for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector())
      tensors.push_back(tensor ? std::optional<Tensor>(change(*tensor)) : std::nullopt);
    return tensors;
  }
  if (value.isDevice()) return c10::Device(at::kCPU);
  return value;
}

// A result that aliases an argument is that argument.
void fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  const std::vector<c10::IValue> given(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  torch::jit::drop(*stack, count);
  torch::jit::Stack inner;
  for (const c10::IValue& value : given) inner.push_back(changed(value, onCpu));
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &inner);
  for (size_t i = 0; i < inner.size(); ++i) {
    const auto* alias = schema.returns()[i].alias_info();
    const auto isSame = [&](size_t argument) {
      const auto* other = schema.arguments()[argument].alias_info();
      return alias && other && alias->isWrite() && alias->beforeSets() == other->beforeSets();
    };
    size_t argument = 0;
    while (argument < count && !isSame(argument)) ++argument;
    if (argument == count) {
      stack->push_back(changed(inner[i], onMeta));
      continue;
    }
    const Tensor& target = given[argument].toTensor();
    if (target.sizes() != inner[i].toTensor().sizes()) target.resize_(inner[i].toTensor().sizes());
    stack->push_back(target);
  }
}

constexpr const char* kOperators[] = {"_fused_adamw_",
                                      "abs.out",
                                      "embedding_dense_backward",
                                      "equal",
                                      "flip",
                                      "index_select",
                                      "log_sigmoid_backward",
                                      "log_sigmoid_forward",
                                      "logical_not.out",
                                      "logical_or.out",
                                      "max",
                                      "min",
                                      "mse_loss_backward",
                                      "nan_to_num.out",
                                      "native_layer_norm",
                                      "native_layer_norm_backward",
                                      "relu",
                                      "roll",
                                      "where.self"};

// Once per process, and only for kernels that this libtorch lacks.
bool define() {
  auto* library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
  for (const std::string name : kOperators) {
    const size_t dot = name.find('.');
    const auto op = c10::Dispatcher::singleton().findSchema(
        {"aten::" + name.substr(0, dot), dot == std::string::npos ? "" : name.substr(dot + 1)});
    if (op && !op->hasKernelForDispatchKey(c10::DispatchKey::Meta))
      library->impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&fallback>());
  }
  return true;
}

[[maybe_unused]] const bool defined = define();

}  // namespace
}  // namespace bidora::metaFallback
