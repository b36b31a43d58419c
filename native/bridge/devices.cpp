// The devices that this libtorch can compute on, and the memory of its allocators for them.
#include <ATen/Context.h>
#include <torch/version.h>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <string>

#include "environment.h"
#include "exports.h"
#include "guard.h"

namespace bidora {
namespace {

constexpr c10::DeviceType kTypes[] = {c10::DeviceType::CUDA, c10::DeviceType::MPS};

// () => the number of usable devices of each type that this libtorch was built for, by the type's name.
Napi::Value deviceCounts(const Napi::CallbackInfo& info) {
  Napi::Object counts = Napi::Object::New(info.Env());
  for (const c10::DeviceType type : kTypes)
    if (c10::impl::hasDeviceGuardImpl(type))
      counts.Set(c10::DeviceTypeName(type, /*lower_case=*/true),
                 static_cast<double>(c10::impl::getDeviceGuardImpl(type)->deviceCount()));
  return counts;
}

// libtorch's common interface of such allocators is of version 2.9; what it says of free memory, of 2.10.
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 10)
#define BIDORA_DEVICE_MEMORY
#endif

#ifdef BIDORA_DEVICE_MEMORY
c10::DeviceAllocator* allocatorOf(const c10::Device& device) {
  if (device.is_cpu() || device.is_meta() || !c10::impl::hasDeviceGuardImpl(device.type())) return nullptr;
  at::globalContext().lazyInitDevice(device.type());
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  return allocator && allocator->initialized() ? allocator : nullptr;
}
#endif

// (device) => { peak, free, total } in bytes; peak is what the allocator has reserved at most. Null if unknown.
Napi::Value deviceMemory(const Napi::CallbackInfo& info) {
  const c10::Device device(info[0].As<Napi::String>().Utf8Value());
#ifdef BIDORA_DEVICE_MEMORY
  if (c10::DeviceAllocator* allocator = allocatorOf(device)) {
    const c10::DeviceIndex index = device.has_index() ? device.index() : 0;
    const auto [free, total] = allocator->getMemoryInfo(index);
    Napi::Object memory = Napi::Object::New(info.Env());
    memory.Set("peak", static_cast<double>(allocator->getDeviceStats(index).reserved_bytes.front().peak));
    memory.Set("free", static_cast<double>(free));
    memory.Set("total", static_cast<double>(total));
    return memory;
  }
#endif
  return info.Env().Null();
}

// (device): the peak of `deviceMemory` begins again at what is reserved now.
void restartDevicePeak(const Napi::CallbackInfo& info) {
  [[maybe_unused]] const c10::Device device(info[0].As<Napi::String>().Utf8Value());
#ifdef BIDORA_DEVICE_MEMORY
  if (c10::DeviceAllocator* allocator = allocatorOf(device))
    allocator->resetPeakStats(device.has_index() ? device.index() : 0);
#endif
}

}  // namespace

void exportDevices(Napi::Object exports) {
  defineFunction<deviceCounts>(exports, "deviceCounts");
  defineFunction<deviceMemory>(exports, "deviceMemory");
  defineFunction<restartDevicePeak>(exports, "restartDevicePeak");
}

}  // namespace bidora
