// The generic call: runs an operator, given by its index in the table, with the arguments of its schema.
#include "exports.h"

#include <ATen/core/grad_mode.h>

#include <array>

#include "environment.h"
#include "guard.h"
#include "values.h"

namespace bidora {
namespace {

constexpr size_t kMaxArguments = 32;

void pushArguments(Napi::Env env, const Operator& op, const napi_value* values, size_t count,
                   std::vector<c10::IValue>& stack) {
  const auto& declared = op.handle.schema().arguments();
  stack.reserve(declared.size());
  for (size_t i = 0; i < declared.size(); ++i) {
    napi_valuetype type = napi_undefined;
    if (i < count) napi_typeof(env, values[i], &type);
    const auto& byDefault = declared[i].default_value();
    if (type == napi_undefined && byDefault) {
      stack.push_back(*byDefault);
      continue;
    }
    try {
      if (i < count) {
        stack.push_back(toIValue(env, values[i], op.parameters[i]));
      } else if (op.parameters[i].optional) {
        stack.emplace_back();
      } else {
        throw std::invalid_argument("it is missing.");
      }
    } catch (const Napi::Error&) {
      throw;  // a JavaScript error, thrown by a getter
    } catch (const std::exception& error) {
      throw std::invalid_argument("argument " + declared[i].name() + ": " + error.what());
    }
  }
}

napi_value popResults(Napi::Env env, const Operator& op, std::vector<c10::IValue>& stack) {
  if (stack.empty() || (stack.size() == 1 && op.aliased[0])) return env.Undefined();
  if (stack.size() == 1) return toJavaScript(env, std::move(stack[0]));
  Napi::Array results = Napi::Array::New(env, stack.size());
  for (size_t i = 0; i < stack.size(); ++i)
    results.Set(i, op.aliased[i] ? env.Undefined() : toJavaScript(env, std::move(stack[i])));
  return results;
}

// Raw Node-API, as this is the bridge's hot path.
napi_value callOperator(napi_env rawEnv, napi_callback_info info) {
  Napi::Env env(rawEnv);
  std::array<napi_value, kMaxArguments + 1> values;
  size_t count = values.size();
  void* data = nullptr;
  napi_get_cb_info(rawEnv, info, &count, values.data(), nullptr, &data);
  Environment& state = *static_cast<Environment*>(data);
  Call call(state);
  try {
    uint32_t index = 0;
    if (count == 0 || napi_get_value_uint32(rawEnv, values[0], &index) != napi_ok)
      throw std::invalid_argument("expected an operator.");
    const Operator& op = state.operators.at(index);
    call.op = &op;
    pushArguments(env, op, values.data() + 1, std::min(count, values.size()) - 1, call.stack);
    const bool isRecorded = state.tape && at::GradMode::is_enabled();
    std::vector<c10::IValue> arguments;
    if (isRecorded || state.part || state.pass) arguments = call.stack;
    op.handle.callBoxed(&call.stack);
    if (state.pass) state.pass->add(index, arguments, call.stack);
    if (state.part) state.part->add(index, arguments, call.stack);
    else if (isRecorded && isDifferentiable(call.stack)) state.tape->add(index, arguments, call.stack);
    return popResults(env, op, call.stack);
  } catch (...) {
    try {
      throwToJavaScript(env);
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
    }
    return nullptr;
  }
}

// (names) => the index of the first operator; the others follow it.
double declareOperators(const Napi::CallbackInfo& info) {
  const auto names = info[0].As<Napi::Array>();
  std::vector<std::string> list;
  list.reserve(names.Length());
  for (uint32_t i = 0; i < names.Length(); ++i) list.push_back(names.Get(i).As<Napi::String>().Utf8Value());
  return static_cast<double>(environment(info.Env()).operators.declare(std::move(list)));
}

Napi::Value describeArgument(Napi::Env env, const c10::Argument& argument) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", argument.name());
  object.Set("type", argument.real_type()->str());
  object.Set("keywordOnly", argument.kwarg_only());
  object.Set("hasDefault", argument.default_value().has_value());
  object.Set("written", argument.alias_info() && argument.alias_info()->isWrite());
  return object;
}

// {text, arguments, returns}, for the generator of src/torch/generated.
Napi::Value operatorSchema(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto& schema = findOperator(info[0].As<Napi::String>().Utf8Value()).schema();
  Napi::Array arguments = Napi::Array::New(env), returns = Napi::Array::New(env);
  for (const auto& argument : schema.arguments()) arguments.Set(arguments.Length(), describeArgument(env, argument));
  for (const auto& result : schema.returns()) returns.Set(returns.Length(), describeArgument(env, result));
  Napi::Object object = Napi::Object::New(env);
  object.Set("text", c10::toString(schema));
  object.Set("arguments", arguments);
  object.Set("returns", returns);
  return object;
}

}  // namespace

void exportCall(Napi::Object exports) {
  Napi::Env env = exports.Env();
  napi_value function;
  napi_create_function(env, "call", NAPI_AUTO_LENGTH, callOperator, &environment(env), &function);
  exports.Set("call", function);
  defineFunction<declareOperators>(exports, "declareOperators");
  defineFunction<operatorSchema>(exports, "operatorSchema");
}

}  // namespace bidora
