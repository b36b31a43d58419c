#include <napi.h>

#include <random>

#include "environment.h"
#include "exports.h"

namespace bidora {
namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  // Random, so that handles of other threads and other copies of the addon are detected.
  env.SetInstanceData(new Environment(std::random_device{}()));
  exportCall(exports);
  exportTensors(exports);
  exportAutograd(exports);
  exportGenerators(exports);
  exportEngine(exports);
  exportDevices(exports);
  exportProfile(exports);
  exportTape(exports);
  exportCheckpoint(exports);
  exportPass(exports);
  exportDistributed(exports);
  exportSharedMemory(exports);
  return exports;
}

}  // namespace

Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace bidora

static Napi::Object init(Napi::Env env, Napi::Object exports) { return bidora::initialize(env, exports); }
NODE_API_MODULE(bidora, init)
