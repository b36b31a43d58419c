#include "isaVariants.h"

#if defined(__linux__) && defined(BIDORA_ARM_VARIANTS)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace bidora {
namespace {

// Whether this processor has a variant's instructions and the system saves its registers (__builtin_cpu_supports
// and the kernel's lists check both). One function per variant, named `has_` + its name.
#ifdef BIDORA_ARM_VARIANTS
bool has_neon() { return true; }
bool has_neon_bf16() {
#if defined(__linux__)
  return getauxval(AT_HWCAP2) & HWCAP2_BF16;
#elif defined(__APPLE__)
  int found = 0;
  size_t size = sizeof found;
  return sysctlbyname("hw.optional.arm.FEAT_BF16", &found, &size, nullptr, 0) == 0 && found;
#else
  return false;
#endif
}
#else
bool has_baseline() { return true; }
#endif
#ifdef BIDORA_X86_VARIANTS
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512_bf16() {
  return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}
#endif

struct Variant {
  const char* name;
  bool (*isUsable)();
};
#define BIDORA_VARIANT(name, unused) {#name, has_##name},
constexpr Variant kVariants[] = {BIDORA_FOR_EACH_VARIANT(BIDORA_VARIANT, )};

size_t& chosen() {
  static size_t variant = usableVariants().back();
  return variant;
}

}  // namespace

size_t variantInUse() { return chosen(); }

const char* variantName(size_t variant) { return kVariants[variant].name; }

std::vector<size_t> usableVariants() {
#ifdef BIDORA_X86_VARIANTS
  __builtin_cpu_init();
#endif
  std::vector<size_t> usable;
  for (size_t variant = 0; variant < std::size(kVariants); ++variant)
    if (kVariants[variant].isUsable()) usable.push_back(variant);
  return usable;
}

void useVariant(const std::string& name) {
  std::string names;
  for (const size_t variant : usableVariants()) {
    if (name == variantName(variant)) {
      chosen() = variant;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(variantName(variant));
  }
  throw std::invalid_argument("BIDORA_CPU: expected an ISA variant that this processor supports (" + names + "), got " +
                              name + ".");
}

void* allocateAligned(int64_t bytes) {
  constexpr int64_t kAlignment = 64;
  const int64_t size = bytes < kAlignment ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, static_cast<size_t>(size));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace bidora
