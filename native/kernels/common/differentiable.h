// Operators with a backward pass. One is a struct of two functions, which call other operators for what depends on the
// device:
//
//     struct Scaled {
//       struct Saved {                                             // what the backward pass needs
//         Tensor factor;
//         double scale;
//         std::vector<Tensor*> tensors() { return {&factor}; }     // those of its fields that are tensors
//       };
//       static Forward<Tensor, Saved> forward(const Tensor& x, const Tensor& factor, double scale);
//       // By argument; the last ones may be left out.
//       static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs& needs);
//     };
//
// The results are a tensor or a tuple of tensors, of which only the first `kDifferentiableResults` have gradients if
// the struct has this constant. With the constant `kMayLackGradients`, a missing gradient of a result is undefined
// instead of zeros.
#pragma once

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>
#include <utility>
#include <vector>

#include "registration.h"

namespace bidora {

using torch::autograd::variable_list;

template <typename Results, typename Saved>
struct Forward {
  Results results;
  Saved saved;
};

// By argument: whether its gradient is requested. A list of tensors counts as so many arguments.
using Needs = std::vector<bool>;

inline void refuseSecondDerivative(const char* name, const char* instead = "the plain formula") {
  TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::", name, " has no second derivative: use ", instead, '.');
}

template <typename Operator>
struct Differentiated : torch::autograd::Function<Differentiated<Operator>> {
  using Context = torch::autograd::AutogradContext;

  // libtorch turns grad mode off for this function; `forward` of the operator runs in the caller's.
  template <typename... Arguments>
  static variable_list forward(Context* context, bool isInGradMode, const Arguments&... arguments) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const at::AutoGradMode mode(isInGradMode);
    auto [results, saved] = Operator::forward(arguments...);
    std::vector<bool> areTensors;
    variable_list tensors;
    torch::autograd::extract_vars(areTensors, tensors, arguments...);
    save(*context, std::move(saved), std::move(areTensors));
    const variable_list list = asList(results);
    if constexpr (requires { Operator::kDifferentiableResults; })
      context->mark_non_differentiable({list.begin() + Operator::kDifferentiableResults, list.end()});
    if constexpr (requires { Operator::kMayLackGradients; }) context->set_materialize_grads(false);
    return list;
  }

  static variable_list backward(Context* context, const variable_list& gradients) {
    const auto kept = context->saved_data[kKey].toCapsule();
    size_t edge = 0;  // only tensors have one
    Needs needs;
    for (const bool isTensor : static_cast<const Kept&>(*kept).areTensors)
      needs.push_back(isTensor && context->needs_input_grad(edge++));
    variable_list found = Operator::backward(savedIn(*context, static_cast<const Kept&>(*kept)), gradients, needs);
    found.resize(needs.size());
    found.insert(found.begin(), at::Tensor());  // of `isInGradMode`
    return found;
  }

 private:
  using Saved = typename Operator::Saved;
  struct Kept : torch::CustomClassHolder {
    Kept(Saved given, std::vector<bool> tensors) : saved(std::move(given)), areTensors(std::move(tensors)) {}
    Saved saved;
    std::vector<bool> areTensors;  // by argument
  };

  static constexpr const char* kKey = "saved";

  // libtorch holds the tensors, for it notices whether they are changed and frees them after the backward pass.
  static void save(Context& context, Saved saved, std::vector<bool> areTensors) {
    variable_list tensors;
    for (at::Tensor* tensor : saved.tensors()) tensors.push_back(std::exchange(*tensor, at::Tensor()));
    if (!tensors.empty()) context.save_for_backward(std::move(tensors));
    context.saved_data[kKey] =
        c10::IValue::make_capsule(c10::make_intrusive<Kept>(std::move(saved), std::move(areTensors)));
  }

  static Saved savedIn(const Context& context, const Kept& kept) {
    Saved saved = kept.saved;
    const std::vector<at::Tensor*> places = saved.tensors();
    if (places.empty()) return saved;
    variable_list tensors = context.get_saved_variables();
    for (size_t i = 0; i < places.size(); ++i) *places[i] = std::move(tensors[i]);
    return saved;
  }

  static variable_list asList(const at::Tensor& result) { return {result}; }
  template <typename... Tensors>
  static variable_list asList(const std::tuple<Tensors...>& results) {
    return std::apply([](const auto&... result) { return variable_list{result...}; }, results);
  }
};

// An operator's kernels.
template <typename Operator, auto forward = &Operator::forward>
struct KernelsOf;
template <typename Operator, typename Results, typename Saved, typename... Parameters,
          Forward<Results, Saved> (*forward)(Parameters...)>
struct KernelsOf<Operator, forward> {
  static Results differentiated(Parameters... parameters) {
    const variable_list list = Differentiated<Operator>::apply(at::GradMode::is_enabled(), parameters...);
    if constexpr (std::is_same_v<Results, at::Tensor>) return list[0];
    else return asTuple(list, std::make_index_sequence<std::tuple_size_v<Results>>());
  }

  static Results plain(Parameters... parameters) {
    const at::AutoGradMode mode(false);
    return forward(parameters...).results;
  }

 private:
  template <size_t... i>
  static Results asTuple(const variable_list& list, std::index_sequence<i...>) {
    return {list[i]...};
  }
};

// The results, with the operator in libtorch's graph.
template <typename Operator, typename... Arguments>
auto differentiated(const Arguments&... arguments) {
  return KernelsOf<Operator>::differentiated(arguments...);
}

// An operator with a kernel of its own, or one whose `forward` calls other operators for its results.
template <typename Operator, auto kernel = &KernelsOf<Operator>::plain>
void defineDifferentiable(OperatorLibrary& library, const char* schema) {
  library.define<kernel, &KernelsOf<Operator>::differentiated>(schema);
}

}  // namespace bidora
