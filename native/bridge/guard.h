// Converts C++ exceptions to JavaScript errors; nothing else does.
#pragma once

#include <napi.h>

namespace bidora {

using NativeFunction = Napi::Value (*)(const Napi::CallbackInfo&);

// Rethrows the current exception as an error from the factory of `setErrorFactory`; throws only Napi::Error.
[[noreturn]] void throwToJavaScript(Napi::Env env);

template <NativeFunction function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (...) {
    throwToJavaScript(info.Env());
  }
}

template <NativeFunction function>
void defineFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

}  // namespace bidora
