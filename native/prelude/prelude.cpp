// Loaded before the addon, because libraries below libtorch read these when they are loaded. (JavaScript's process.env is
// only a copy in a worker.) Debian's libtorch brings MPI, and with it UCX, which would rewrite the C library's sbrk and
// mmap in memory while V8's threads call them (now and then the process then ends in a segmentation fault), and take the
// signals that V8 needs for WebAssembly and the one that tells of a closed terminal.
#include <dlfcn.h>
#include <node_api.h>

#include <cstdlib>
#include <string>
#include <thread>

namespace {

std::thread loading;

// Waits for the thread: a process that ends while libraries are loaded in it may hang or crash.
napi_value finishPreload(napi_env, napi_callback_info) {
  if (loading.joinable()) loading.join();
  return nullptr;
}

// (path): loads the library at `path` and all below it in another thread. A failure shows when the library is asked for.
napi_value preload(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value value;
  if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok || count == 0) return nullptr;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return nullptr;
  std::string path(length, '\0');
  napi_get_value_string_utf8(env, value, path.data(), length + 1, nullptr);
  finishPreload(env, info);
  loading = std::thread([path] { dlopen(path.c_str(), RTLD_LAZY); });
  return nullptr;
}

void define(napi_env env, napi_value exports, const char* name, napi_callback body) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, body, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  setenv("UCX_MEM_MMAP_HOOK_MODE", "none", 0);
  setenv("UCX_HANDLE_ERRORS", "none", 0);
  setenv("UCX_DEBUG_SIGNO", "0", 0);
  // Threads that wait for each other by spinning make a step ten times slower on a machine that also does other work.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  // libtorch and oneDNN each keep the code of the last 1024 products by their shapes. Where every batch has another number of
  // tokens they are of no use, and lying between tensors they double the memory of a run.
  setenv("LRU_CACHE_CAPACITY", "64", 0);
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
  define(env, exports, "preload", preload);
  define(env, exports, "finishPreload", finishPreload);
  return exports;
}
