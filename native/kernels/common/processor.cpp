#include "processor.h"

#ifdef BIDORA_X86_VARIANTS
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bidora {
namespace {

constexpr unsigned kAmxBf16 = 1U << 22, kAmxInt8 = 1U << 25;

bool findTiles(unsigned feature) {
#ifdef BIDORA_X86_VARIANTS
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // of arch_prctl
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & feature) &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

}  // namespace

bool hasTiles() {
  static const bool found = findTiles(kAmxBf16);
  return found;
}

bool hasByteTiles() {
  static const bool found = findTiles(kAmxInt8);
  return found;
}

}  // namespace bidora
