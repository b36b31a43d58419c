#include <napi.h>

#include <atomic>

#include "environment.h"
#include "exports.h"

namespace bidora {
namespace {

// Handles of different environments start far apart, so that one taken to another thread is found out.
uint32_t nextFirstGeneration() {
  static std::atomic<uint32_t> next{1};
  return next.fetch_add(0x9E3779B);
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(nextFirstGeneration()));
  exportCall(exports);
  exportTensors(exports);
  exportAutograd(exports);
  exportGenerators(exports);
  exportEngine(exports);
  exportProfile(exports);
  return exports;
}

}  // namespace

Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace bidora

static Napi::Object init(Napi::Env env, Napi::Object exports) { return bidora::initialize(env, exports); }
NODE_API_MODULE(bidora, init)
