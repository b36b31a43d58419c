// Converts C++ exceptions to JavaScript errors; nothing else does.
#pragma once

#include <napi.h>

#include <type_traits>

namespace bidora {

// Rethrows the current exception as an error from the factory of `setErrorFactory`; throws only Napi::Error.
[[noreturn]] void throwToJavaScript(Napi::Env env);

// The function may return nothing, a number, a boolean, a string or a JavaScript value.
template <auto function>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    if constexpr (!std::is_void_v<decltype(function(info))>) return Napi::Value::From(info.Env(), function(info));
    else function(info);
    return info.Env().Undefined();
  } catch (...) {
    throwToJavaScript(info.Env());
  }
}

template <auto function>
void defineFunction(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

}  // namespace bidora
