// The shared libraries in this process.
#pragma once

#include <string>

namespace bidora {

// The path of the library that contains a function, or "".
std::string libraryOf(const void* address);

// A function that some loaded library exports, or null.
void* loadedFunction(const char* name);

}  // namespace bidora
