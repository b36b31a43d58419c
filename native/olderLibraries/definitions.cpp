// What newer compilers call and the libstdc++ and glibc that libtorch is built for on Arm do not have; see
// symbolVersions.h. Hidden, so that other libraries keep their own.
#include <cxxabi.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <string>

#if defined(__linux__) && defined(__aarch64__) && defined(__GLIBCXX__)

#define BIDORA_HIDDEN __attribute__((visibility("hidden")))

namespace {

struct Buffer : std::stringbuf {
  static std::string text(const std::stringbuf* buffer) {
    const auto* self = static_cast<const Buffer*>(buffer);
    if (!self->pptr()) return {self->eback(), self->egptr()};
    return {self->pbase(), std::max(self->pptr(), self->egptr())};
  }
};

}  // namespace

extern "C" {

// Called where an exception would leave a noexcept function.
BIDORA_HIDDEN [[noreturn]] void endByException(void* exception) noexcept asm("__cxa_call_terminate");
void endByException(void* exception) noexcept {
  if (exception) abi::__cxa_begin_catch(exception);
  std::terminate();
}

// Whether reference counts need no atomic operations: never here.
BIDORA_HIDDEN extern char isSingleThreaded asm("__libc_single_threaded");
char isSingleThreaded = 0;

}  // extern "C"

// std::stringbuf::str() const&.
BIDORA_HIDDEN std::string textOf(const std::stringbuf* buffer) asm(
    "_ZNKRSt7__cxx1115basic_stringbufIcSt11char_traitsIcESaIcEE3strEv");
std::string textOf(const std::stringbuf* buffer) { return Buffer::text(buffer); }

#endif
