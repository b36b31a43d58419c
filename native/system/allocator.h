// The C library's allocator.
#pragma once

#include <cstddef>

namespace bidora {

// Freed memory stays with the process: returning pages and faulting them in again is slower than computing with them.
void keepFreedPages();

// Bytes allocated by all threads; 0 where the C library does not say.
size_t allocatedBytes();

}  // namespace bidora
