#include "allocator.h"

#ifdef __GLIBC__
#include <malloc.h>

#include "systemLibraries.h"

namespace bidora {
namespace {

constexpr int kKeepMapped = 32 << 20;  // the largest mmap threshold that glibc allows
constexpr int kKeepAtTop = 1 << 30;
constexpr int kGrowBy = 64 << 20;

}  // namespace

void keepFreedPages() {
  mallopt(M_MMAP_THRESHOLD, kKeepMapped);
  mallopt(M_TRIM_THRESHOLD, kKeepAtTop);
  mallopt(M_TOP_PAD, kGrowBy);
}

// mallinfo2 is looked up, since glibc has it only from 2.33 on.
size_t allocatedBytes() {
  using Statistics = struct mallinfo2;
  static const auto statistics = reinterpret_cast<Statistics (*)()>(loadedFunction("mallinfo2"));
  if (!statistics) return 0;
  const Statistics use = statistics();
  return use.uordblks + use.hblkhd;
}

}  // namespace bidora

#else

namespace bidora {

void keepFreedPages() {}
size_t allocatedBytes() { return 0; }

}  // namespace bidora
#endif
