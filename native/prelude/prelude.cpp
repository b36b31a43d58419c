// Loaded before the addon, because libraries that libtorch depends on read these environment variables when they are
// loaded. (In a worker, JavaScript's process.env is only a copy.) Debian's libtorch loads MPI, and with it UCX. UCX
// would patch the C library's sbrk and mmap in memory while V8's threads call them, which occasionally ends in a
// segmentation fault. It would also handle the signals that V8 needs for WebAssembly, and SIGHUP. This file also has
// the handler that ends the process at a second Ctrl-C, since Node delivers signals to JavaScript only in its event
// loop.
#include <dlfcn.h>
#include <node_api.h>

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

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
  loading = std::thread([path] { dlopen(path.c_str(), RTLD_LAZY); });
  return nullptr;
}

constexpr int signalCount = 65;
constexpr int interrupted = 130;

// The previous handlers: Node's, which deliver a signal to JavaScript.
struct sigaction before[signalCount];
std::atomic<bool> watched[signalCount];
// In milliseconds; 0 before the first signal.
std::atomic<int64_t> firstSignal;
std::atomic<int64_t> graceTime;

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1000000;
}

// Calls only async-signal-safe functions. Within the grace time, a second signal may be a duplicate: both npx and the
// terminal send it.
void onSignal(int number, siginfo_t* info, void* context) {
  const int error = errno;
  const int64_t time = now();
  int64_t first = 0;
  if (!firstSignal.compare_exchange_strong(first, time)) {
    if (time - first >= graceTime) _exit(interrupted);
  } else if (before[number].sa_flags & SA_SIGINFO) {
    before[number].sa_sigaction(number, info, context);
  } else if (before[number].sa_handler != SIG_DFL && before[number].sa_handler != SIG_IGN) {
    before[number].sa_handler(number);
  }
  errno = error;
}

// (signal, milliseconds): a second signal, at least this many milliseconds after the first, ends the process
// immediately. All watched signals count together. Node must have a handler for the signal and keep it until
// `unwatchSignal`.
napi_value watchSignal(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  int32_t number = 0, grace = 0;
  if (napi_get_cb_info(env, info, &count, values, nullptr, nullptr) != napi_ok || count < 2) return nullptr;
  if (napi_get_value_int32(env, values[0], &number) != napi_ok) return nullptr;
  if (napi_get_value_int32(env, values[1], &grace) != napi_ok) return nullptr;
  if (number <= 0 || number >= signalCount || watched[number]) return nullptr;
  struct sigaction ours = {};
  ours.sa_sigaction = onSignal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART;
  sigfillset(&ours.sa_mask);
  graceTime = grace;
  firstSignal = 0;
  if (sigaction(number, nullptr, &before[number]) == 0 && sigaction(number, &ours, nullptr) == 0)
    watched[number] = true;
  return nullptr;
}

// (signal): restores Node's handler.
napi_value unwatchSignal(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value;
  int32_t number = 0;
  if (napi_get_cb_info(env, info, &count, &value, nullptr, nullptr) != napi_ok || count == 0) return nullptr;
  if (napi_get_value_int32(env, value, &number) != napi_ok) return nullptr;
  if (number <= 0 || number >= signalCount || !watched[number].exchange(false)) return nullptr;
  sigaction(number, &before[number], nullptr);
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
  // On a busy machine, threads that wait for each other by spinning make a step ten times slower; but waking a thread
  // takes longer than many operators. So threads spin for about as long as waking takes, some 30 μs.
  if (!getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "3000", 0);
  setenv("OMP_WAIT_POLICY", "passive", 0);
  // libtorch and oneDNN each cache the code of the last 1024 products by shape. If every batch has a different number
  // of tokens, these caches are useless and fragment the heap so much that a run needs twice the memory.
  setenv("LRU_CACHE_CAPACITY", "64", 0);
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
  define(env, exports, "preload", preload);
  define(env, exports, "finishPreload", finishPreload);
  define(env, exports, "watchSignal", watchSignal);
  define(env, exports, "unwatchSignal", unwatchSignal);
  return exports;
}
