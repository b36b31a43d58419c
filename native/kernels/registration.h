// Operators of our own, in the namespace `bidora` of libtorch's dispatcher: called like libtorch's.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace bidora {

// Defines operators once in the process. A second copy of the addon, loaded from another path, finds them defined.
// Meant for static initialisers, which the dynamic loader runs one at a time.
inline bool defineOnce(const char* firstName, void (*define)(torch::Library&)) {
  if (c10::Dispatcher::singleton().findSchema({firstName, ""})) return false;
  // Never destroyed: worker threads may call the operators until the process ends.
  define(*new torch::Library(torch::Library::FRAGMENT, "bidora", std::nullopt, __FILE__, __LINE__));
  return true;
}

}  // namespace bidora
