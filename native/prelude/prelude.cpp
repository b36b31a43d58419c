// Loaded before the addon, because libraries that libtorch depends on read these environment variables when they are
// loaded. (In a worker, JavaScript's process.env is only a copy.) Debian's libtorch loads MPI, and with it UCX. UCX
// would patch the C library's sbrk and mmap in memory while V8's threads call them, which occasionally ends in a
// segmentation fault. It would also handle the signals that V8 needs for WebAssembly, and SIGHUP.
#include <node_api.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <cstdlib>
#include <string>
#include <thread>

#include "olderLibraries/symbolVersions.h"
#include "secondSignal.h"

namespace {

std::thread loading;

// Waits for the thread: a process that ends while libraries are being loaded may hang or crash.
napi_value finishPreload(napi_env, napi_callback_info) {
  if (loading.joinable()) loading.join();
  return nullptr;
}

// (path): loads the library at `path` and its dependencies in another thread. A failure is reported when the library
// is used.
napi_value preload(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value value;
  if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok || count == 0) return nullptr;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return nullptr;
  std::string path(length, '\0');
  napi_get_value_string_utf8(env, value, path.data(), length + 1, nullptr);
  finishPreload(env, info);
  loading = std::thread([path] {
#ifdef _WIN32
    LoadLibraryExA(path.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
#else
    dlopen(path.c_str(), RTLD_LAZY);
#endif
  });
  return nullptr;
}

// Sets an environment variable unless it is set.
void setDefault(const char* name, const char* value) {
#ifdef _WIN32
  if (!getenv(name)) _putenv_s(name, value);
#else
  setenv(name, value, 0);
#endif
}

void define(napi_env env, napi_value exports, const char* name, napi_callback body) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, body, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  setDefault("UCX_MEM_MMAP_HOOK_MODE", "none");
  setDefault("UCX_HANDLE_ERRORS", "none");
  setDefault("UCX_DEBUG_SIGNO", "0");
  // On a busy machine, threads that wait for each other by spinning make a step ten times slower; but waking a thread
  // takes longer than many operators. So threads spin for about as long as waking takes, some 30 μs.
  if (!getenv("OMP_WAIT_POLICY")) setDefault("GOMP_SPINCOUNT", "3000");
  setDefault("OMP_WAIT_POLICY", "passive");
  // libtorch and oneDNN each cache the code of the last 1024 products by shape. If every batch has a different number
  // of tokens, these caches are useless and fragment the heap so much that a run needs twice the memory.
  setDefault("LRU_CACHE_CAPACITY", "64");
  setDefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64");
  define(env, exports, "preload", preload);
  define(env, exports, "finishPreload", finishPreload);
  define(env, exports, "watchSignal", bidora::watchSignal);
  define(env, exports, "unwatchSignal", bidora::unwatchSignal);
  return exports;
}
