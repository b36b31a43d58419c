// Stands in for Gloo's header of this name, with what c10d's declaration of ProcessGroupGloo mentions.
#pragma once

#include <chrono>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

}  // namespace gloo
