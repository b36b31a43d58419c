// The C library's allocator.
#pragma once

#include <cstddef>

namespace bidora {

// Takes libtorch's memory from malloc, and lets freed memory stay with the process: returning pages and faulting them
// in again is slower than computing with them.
void replaceAllocator();

// Bytes allocated by all threads; 0 where the C library does not say.
size_t allocatedBytes();

// Gives freed memory back to the system, which takes milliseconds for each gigabyte.
void returnFreedMemory();

}  // namespace bidora
