#include "allocator.h"

#ifdef __GLIBC__
#include <c10/core/CPUAllocator.h>
#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "systemLibraries.h"

namespace bidora {
namespace {

constexpr int kKeepMapped = 32 << 20;  // the largest mmap threshold that glibc allows
constexpr int kKeepAtTop = 1 << 30;
constexpr int kGrowBy = 64 << 20;

// Aligned memory from malloc. libtorch's allocator takes it from posix_memalign, which splits what alignment leaves
// over from each block: glibc then finds no freed block that is large enough for the same size again, and the heap
// grows with every tensor.
class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* data = size > 0 ? aligned(size) : nullptr;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t size) const override { default_copy_data(to, from, size); }

 private:
  static constexpr size_t kAlignment = 64;

  static void* aligned(size_t size) {
    auto* block = size < SIZE_MAX - kRoom ? static_cast<std::byte*>(std::malloc(size + kRoom)) : nullptr;
    TORCH_CHECK(block, "can't allocate memory: you tried to allocate ", size, " bytes.");
    std::byte* data = block + kRoom;
    data -= reinterpret_cast<uintptr_t>(data) % kAlignment;
    blockOf(data) = block;
    return data;
  }

  static void release(void* data) {
    if (data) std::free(blockOf(data));
  }

  // Its address is kept before its first aligned byte.
  static void*& blockOf(void* data) { return static_cast<void**>(data)[-1]; }

  static constexpr size_t kRoom = kAlignment + sizeof(void*);
};

}  // namespace

void replaceAllocator() {
  mallopt(M_MMAP_THRESHOLD, kKeepMapped);
  mallopt(M_TRIM_THRESHOLD, kKeepAtTop);
  mallopt(M_TOP_PAD, kGrowBy);
#ifndef __SANITIZE_ADDRESS__  // which knows where a tensor ends only if no other bytes follow in its block
  static Allocator allocator;
  c10::SetCPUAllocator(&allocator);
#endif
}

// mallinfo2 is looked up, since glibc has it only from 2.33 on.
size_t allocatedBytes() {
  using Statistics = struct mallinfo2;
  static const auto statistics = reinterpret_cast<Statistics (*)()>(loadedFunction("mallinfo2"));
  if (!statistics) return 0;
  const Statistics use = statistics();
  return use.uordblks + use.hblkhd;
}

void returnFreedMemory() { malloc_trim(0); }

}  // namespace bidora

#else

namespace bidora {

void replaceAllocator() {}
size_t allocatedBytes() { return 0; }
void returnFreedMemory() {}

}  // namespace bidora
#endif
