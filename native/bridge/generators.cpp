// Random generators whose state can be saved and restored.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

#include <cstring>
#include <random>
#include <utility>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "values.h"

namespace bidora {
namespace {

at::Generator& generatorAt(const Napi::CallbackInfo& info, size_t index) {
  return environment(info.Env()).handles.get<at::Generator>(numberAt(info, index));
}

uint64_t seedAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsBigInt()) return static_cast<uint64_t>(toInteger(info.Env(), info[index]));
  bool lossless;
  return info[index].As<Napi::BigInt>().Uint64Value(&lossless);
}

// libtorch uses only the lower 32 bits of a seed. A longer seed fills the whole state, so that no bit is lost.
void seed(at::Generator& generator, uint64_t value) {
  generator.set_current_seed(value);
  if (value >> 32 == 0) return;
  std::seed_seq words{static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)};
  at::mt19937 engine(value);
  at::mt19937_data_pod data = engine.data();
  words.generate(data.state_.begin(), data.state_.end());
  engine.set_data(data);
  at::check_generator<at::CPUGeneratorImpl>(generator)->set_engine(engine);
}

double newGenerator(const Napi::CallbackInfo& info) {
  at::Generator generator = at::detail::createCPUGenerator();
  seed(generator, seedAt(info, 0));
  return environment(info.Env()).handles.add(std::move(generator));
}

void manualSeed(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorAt(info, 0);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  seed(generator, seedAt(info, 1));
}

Napi::Value generatorState(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorAt(info, 0);
  const std::lock_guard<std::mutex> lock(generator.mutex());
  const at::Tensor state = generator.get_state().contiguous();
  auto bytes = Napi::Uint8Array::New(info.Env(), state.nbytes());
  std::memcpy(bytes.Data(), state.data_ptr(), state.nbytes());
  return bytes;
}

void setGeneratorState(const Napi::CallbackInfo& info) {
  at::Generator& generator = generatorAt(info, 0);
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const at::Tensor state = at::empty({static_cast<int64_t>(bytes.ByteLength())}, at::kByte);
  std::memcpy(state.data_ptr(), bytes.Data(), bytes.ByteLength());
  const std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

}  // namespace

void exportGenerators(Napi::Object exports) {
  defineFunction<newGenerator>(exports, "newGenerator");
  defineFunction<manualSeed>(exports, "manualSeed");
  defineFunction<generatorState>(exports, "generatorState");
  defineFunction<setGeneratorState>(exports, "setGeneratorState");
}

}  // namespace bidora
