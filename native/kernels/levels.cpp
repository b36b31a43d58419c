#include "levels.h"

#include <cstdlib>
#include <new>
#include <stdexcept>

namespace bidora {

// Each is built from levels/level.cpp with the options that CMakeLists.txt gives it.
namespace baseline {
extern const Level level;
}
#ifdef BIDORA_X86_LEVELS
namespace avx2 {
extern const Level level;
}
namespace avx512 {
extern const Level level;
}
namespace avx512_bf16 {
extern const Level level;
}
#endif

namespace {

const Level*& chosen() {
  static const Level* level = usableLevels().back();
  return level;
}

}  // namespace

const Level& level() { return *chosen(); }

// The system has to save a level's registers too, which __builtin_cpu_supports also asks.
std::vector<const Level*> usableLevels() {
  std::vector<const Level*> usable{&baseline::level};
#ifdef BIDORA_X86_LEVELS
  __builtin_cpu_init();
  const auto add = [&](const Level& level, bool isThere) {
    if (isThere) usable.push_back(&level);
    return isThere;
  };
  if (add(avx2::level, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) &&
      add(avx512::level, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                             __builtin_cpu_supports("avx512vl")))
    add(avx512_bf16::level, __builtin_cpu_supports("avx512bf16"));
#endif
  return usable;
}

void useLevel(const std::string& name) {
  std::string names;
  for (const Level* usable : usableLevels()) {
    if (name == usable->name) {
      chosen() = usable;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(usable->name);
  }
  throw std::invalid_argument("BIDORA_CPU: expected a level of instructions that this processor has (" + names +
                              "), got " + name + ".");
}

void* allocateAligned(int64_t bytes) {
  constexpr int64_t kAlignment = 64;
  const int64_t size = bytes < kAlignment ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, static_cast<size_t>(size));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace bidora
