#include "cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

namespace bidora {
namespace {

// Keeps the last warning instead of printing it.
class KeptWarning : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { text = warning.msg(); }
  std::string text;
};

Cuda look() {
  const auto& hooks = at::detail::getCUDAHooks();
  if (!hooks.hasCUDART() || !c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) return {};
  KeptWarning warning;
  const c10::WarningUtils::WarningHandlerGuard guard(&warning);
  const int devices = static_cast<unsigned char>(c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount());
  return {true, static_cast<int>(hooks.versionCUDART()), devices, warning.text};
}

}  // namespace

const Cuda& cuda() {
  static const Cuda found = look();
  return found;
}

}  // namespace bidora
