// libtorch's CUDA part, through its interfaces for any device, so that the addon needs no headers of CUDA.
#pragma once

#include <string>

namespace bidora {

struct Cuda {
  bool isBuilt = false;
  int version = 0;  // of the runtime that it is built with: 1000 · major + 10 · minor
  int devices = 0;
  std::string warning;  // why there is no device, if libtorch says so
};

// Looked for once. The first call counts the devices, of which libtorch would warn on stderr where there is no driver.
const Cuda& cuda();

}  // namespace bidora
