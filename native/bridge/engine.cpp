// Information about the engine and its settings: versions, BLAS, oneDNN, threads, memory.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>
#include <torch/version.h>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "kernels/common/isaVariants.h"
#include "kernels/common/processor.h"
#include "kernels/products/frozenProduct.h"
#include "system/allocator.h"
#include "system/systemLibraries.h"

namespace bidora {
namespace {

// libtorch's CUDA part, through its interfaces for any device, so that the addon needs no headers of CUDA.
struct Cuda {
  bool isBuilt = false;
  int version = 0;  // of the runtime that it is built with: 1000 · major + 10 · minor
  int devices = 0;
  std::string warning;  // why there is no device, if libtorch says so
};

// Keeps the last warning instead of printing it.
class KeptWarning : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { text = warning.msg(); }
  std::string text;
};

Cuda look() {
  const auto& hooks = at::detail::getCUDAHooks();
  if (!hooks.hasCUDART() || !c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) return {};
  KeptWarning warning;
  const c10::WarningUtils::WarningHandlerGuard guard(&warning);
  const int devices = static_cast<unsigned char>(c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount());
  return {true, static_cast<int>(hooks.versionCUDART()), devices, warning.text};
}

// Looked for once. The first call counts the devices, of which libtorch would warn on stderr where there is no driver.
const Cuda& cuda() {
  static const Cuda found = look();
  return found;
}

// Calls a function of the loaded BLAS without arguments; returns `absent` if there is no such function.
template <typename Result>
Result askBlas(const char* name, Result absent) {
  const auto function = reinterpret_cast<Result (*)()>(loadedFunction(name));
  return function ? function() : absent;
}

Napi::Value variantNames(Napi::Env env) {
  const std::vector<size_t> usable = usableVariants();
  Napi::Array names = Napi::Array::New(env, usable.size());
  for (size_t i = 0; i < usable.size(); ++i) names.Set(i, variantName(usable[i]));
  return names;
}

Napi::Array ownProducts(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  if (hasOwnProducts(at::kFloat)) names.Set(names.Length(), "float32");
  if (hasOwnProducts(at::kBFloat16)) names.Set(names.Length(), "bfloat16");
  return names;
}

Napi::Value cudaFacts(Napi::Env env) {
  if (!cuda().isBuilt) return env.Null();
  Napi::Object facts = Napi::Object::New(env);
  facts.Set("version", cuda().version);
  facts.Set("devices", cuda().devices);
  facts.Set("warning", cuda().warning);
  return facts;
}

Napi::Value engineFacts(const Napi::CallbackInfo& info) {
  Napi::Object facts = Napi::Object::New(info.Env());
  facts.Set("torchVersion", TORCH_VERSION);
  facts.Set("library", libraryOf(reinterpret_cast<void*>(&at::get_num_threads)));
  facts.Set("cpuCapability", at::get_cpu_capability());
  facts.Set("isaVariant", variantName(variantInUse()));
  facts.Set("isaVariants", variantNames(info.Env()));
  facts.Set("tiles", hasTiles());
  facts.Set("byteProducts", hasByteProducts());
  facts.Set("integerProducts", hasIntegerProducts());
  facts.Set("ownProducts", ownProducts(info.Env()));
  facts.Set("blasLibrary", libraryOf(loadedFunction("sgemm_")));
  facts.Set("openblas", std::string(askBlas<const char*>("openblas_get_config", "")));
  facts.Set("openblasThreads", askBlas<int>("openblas_get_num_threads", 0));
  facts.Set("mkl", at::hasMKL());
  facts.Set("onednn", at::hasMKLDNN());
  facts.Set("onednnVersion", at::get_mkldnn_version());
  facts.Set("openmp", at::hasOpenMP());
  facts.Set("threads", at::get_num_threads());
  facts.Set("configuration", at::show_config());
  facts.Set("cuda", cudaFacts(info.Env()));
  return facts;
}

void setThreads(const Napi::CallbackInfo& info) { at::set_num_threads(info[0].As<Napi::Number>().Int32Value()); }

// (areAllowed) => the former setting; see kernels/products/frozenProduct.h.
bool allowIntegerProducts(const Napi::CallbackInfo& info) {
  return setIntegerProducts(info[0].As<Napi::Boolean>().Value());
}

// (name): selects the ISA variant of the kernels.
void setIsaVariant(const Napi::CallbackInfo& info) { useVariant(info[0].As<Napi::String>().Utf8Value()); }

// () => bytes allocated from the C library by all threads.
double allocated(const Napi::CallbackInfo& info) { return static_cast<double>(allocatedBytes()); }

// () => gives freed memory of the C library back to the system.
void trim(const Napi::CallbackInfo& info) { returnFreedMemory(); }

void setErrorFactory(const Napi::CallbackInfo& info) {
  environment(info.Env()).makeError = Napi::Persistent(info[0].As<Napi::Function>());
}

}  // namespace

void exportEngine(Napi::Object exports) {
  replaceAllocator();
  cuda();
  defineFunction<engineFacts>(exports, "engineFacts");
  defineFunction<allocated>(exports, "allocatedBytes");
  defineFunction<trim>(exports, "returnFreedMemory");
  defineFunction<setThreads>(exports, "setThreads");
  defineFunction<allowIntegerProducts>(exports, "allowIntegerProducts");
  defineFunction<setIsaVariant>(exports, "setIsaVariant");
  defineFunction<setErrorFactory>(exports, "setErrorFactory");
}

}  // namespace bidora
