// Converts values between JavaScript and libtorch, by a schema's types.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/ScalarType.h>
#include <napi.h>

#include "operators.h"

namespace bidora {

// Throws std::invalid_argument, with the expected type, if the value does not fit the parameter's type.
c10::IValue toIValue(Napi::Env env, napi_value value, const Parameter& parameter);

Napi::Value toJavaScript(Napi::Env env, c10::IValue&& value);

// Converts a JavaScript number or bigint; throws std::invalid_argument unless it is an integer.
int64_t toInteger(napi_env env, napi_value value);

at::ScalarType dtypeFromName(const std::string& name);
const char* dtypeName(at::ScalarType dtype);

// Arguments of an exported function: a shape, and a dtype's name.
std::vector<int64_t> sizesAt(const Napi::CallbackInfo& info, size_t index);
at::ScalarType dtypeAt(const Napi::CallbackInfo& info, size_t index);

}  // namespace bidora
