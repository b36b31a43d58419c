// Values between JavaScript and libtorch, converted as a schema's types say.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/core/ScalarType.h>
#include <napi.h>

#include "operators.h"

namespace bidora {

// Throws std::invalid_argument naming what was expected when the value does not fit the parameter's type.
c10::IValue toIValue(Napi::Env env, napi_value value, const Parameter& parameter);

Napi::Value toJavaScript(Napi::Env env, c10::IValue&& value);

// A JavaScript number or bigint; throws std::invalid_argument when it is not a whole one.
int64_t toInteger(napi_env env, napi_value value);

at::ScalarType dtypeFromName(const std::string& name);
const char* dtypeName(at::ScalarType dtype);

}  // namespace bidora
