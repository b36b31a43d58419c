// Activations by PyTorch's names.
#pragma once

#include <c10/util/Exception.h>

#include <string_view>

#include "functions.h"

namespace bidora {

inline Activation geluOf(std::string_view approximate) {
  TORCH_CHECK(approximate == "none" || approximate == "tanh",
              "expected GELU's approximate to be \"none\" or \"tanh\", got \"", approximate, '"');
  return approximate == "tanh" ? Activation::geluTanh : Activation::gelu;
}

// The activation with the name "gelu", "gelu_tanh" or "silu".
inline Activation activationOf(std::string_view name) {
  if (name == "silu") return Activation::silu;
  if (name == "gelu_tanh") return Activation::geluTanh;
  TORCH_CHECK(name == "gelu", "expected the activation \"gelu\", \"gelu_tanh\" or \"silu\", got \"", name, '"');
  return Activation::gelu;
}

inline std::string_view nameOf(Activation kind) {
  if (kind == Activation::silu) return "silu";
  return kind == Activation::geluTanh ? "gelu_tanh" : "gelu";
}

inline std::string_view approximateOf(Activation kind) { return kind == Activation::geluTanh ? "tanh" : "none"; }

}  // namespace bidora
