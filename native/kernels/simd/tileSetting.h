// The setting of the processor's matrix unit (Intel AMX), which has eight tiles of at most 16 rows of 64 bytes.
#pragma once

#include "variant.h"

#if defined(BIDORA_OWN_PRODUCTS) && defined(__AVX512BF16__)
#define BIDORA_AMX [[gnu::target("amx-tile,amx-bf16")]]
#endif

namespace bidora::BIDORA_VARIANT {

// The setting as the processor reads it: for each tile its rows, and the bytes of one.
struct TileShapes {
  uint8_t palette = 1, start = 0, unused[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

#ifdef BIDORA_AMX

// Sets the shapes of all tiles while it lives, by default to 16 rows of 64 bytes. The former setting is restored, since
// oneDNN takes its own for unchanged.
class TileSetting {
 public:
  BIDORA_AMX explicit TileSetting(bool isNeeded, const TileShapes& shapes = {}) : isNeeded_(isNeeded) {
    if (!isNeeded) return;
    _tile_storeconfig(before_);
    _tile_loadconfig(&shapes);
  }
  BIDORA_AMX ~TileSetting() {
    if (isNeeded_) _tile_loadconfig(before_);
  }
  TileSetting(const TileSetting&) = delete;
  TileSetting& operator=(const TileSetting&) = delete;

 private:
  alignas(64) char before_[64];
  bool isNeeded_;
};

// The compiler does not know which memory tiles are loaded from and stored to.
[[gnu::always_inline]] inline void memoryBarrier() { asm volatile("" ::: "memory"); }

#else

struct TileSetting {
  explicit TileSetting(bool, const TileShapes& = {}) {}
};

#endif

}  // namespace bidora::BIDORA_VARIANT
