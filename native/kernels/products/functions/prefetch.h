// Prefetching of weights that are read once.
#pragma once

namespace bidora::BIDORA_VARIANT {

// Into L2, or past it, so that L2 keeps code and activations. Processors with AMX have many buffers for lines on their
// way to L2 and few for those to L1, with which fetches past L2 would not keep up with memory.
[[gnu::always_inline]] inline void prefetchOnce(const void* line, bool intoL2) {
  if (intoL2) __builtin_prefetch(line, 0, 2);
  else __builtin_prefetch(line, 0, 0);
}

}  // namespace bidora::BIDORA_VARIANT
