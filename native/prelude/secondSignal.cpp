#include "secondSignal.h"

#ifdef _WIN32

namespace bidora {

napi_value watchSignal(napi_env, napi_callback_info) { return nullptr; }
napi_value unwatchSignal(napi_env, napi_callback_info) { return nullptr; }

}  // namespace bidora

#else

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace bidora {
namespace {

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

}  // namespace

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

}  // namespace bidora

#endif
