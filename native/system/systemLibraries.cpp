#include "systemLibraries.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include "olderLibraries/symbolVersions.h"

namespace bidora {

#ifdef _WIN32

std::string libraryOf(const void* address) {
  HMODULE library = nullptr;
  char path[MAX_PATH] = "";
  constexpr DWORD kFlags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  if (address && GetModuleHandleExA(kFlags, static_cast<const char*>(address), &library))
    GetModuleFileNameA(library, path, MAX_PATH);
  return path;
}

// Windows looks for a function in one library only.
void* loadedFunction(const char*) { return nullptr; }

#else

std::string libraryOf(const void* address) {
  Dl_info found{};
  return address && dladdr(address, &found) && found.dli_fname ? found.dli_fname : "";
}

void* loadedFunction(const char* name) { return dlsym(RTLD_DEFAULT, name); }

#endif

}  // namespace bidora
