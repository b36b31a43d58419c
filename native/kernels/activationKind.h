// Activations by PyTorch's names.
#pragma once

#include <c10/util/Exception.h>

#include <string_view>

#include "functions.h"

namespace bidora {

inline Activation geluOf(std::string_view approximate) {
  TORCH_CHECK(approximate == "none" || approximate == "tanh", "expected GELU by \"none\" or \"tanh\", got \"",
              approximate, '"');
  return approximate == "tanh" ? Activation::geluTanh : Activation::gelu;
}

inline std::string_view approximateOf(Activation kind) { return kind == Activation::geluTanh ? "tanh" : "none"; }

}  // namespace bidora
