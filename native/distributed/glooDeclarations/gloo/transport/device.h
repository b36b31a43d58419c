// Stands in for Gloo's header of this name, with what c10d's declaration of ProcessGroupGloo mentions.
#pragma once

namespace gloo::transport {

class Device;

class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};

}  // namespace gloo::transport
