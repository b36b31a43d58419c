// State of one JavaScript environment (the main thread or a worker): its handles, its operators, the operator being called.
#pragma once

#include <napi.h>

#include "handles.h"
#include "operators.h"

namespace bidora {

struct Environment {
  explicit Environment(uint32_t firstGeneration) : handles(firstGeneration) {}

  HandleTable handles;
  OperatorTable operators;
  Napi::FunctionReference makeError;             // (message, operator, schema, shapes) => Error
  const Operator* calling = nullptr;             // with its arguments below, for the error message
  const std::vector<c10::IValue>* arguments = nullptr;
};

Environment& environment(Napi::Env env);

inline double numberAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber()) throw HandleError("argument " + std::to_string(index) + " must be a number or a handle.");
  return info[index].As<Napi::Number>().DoubleValue();
}

inline at::Tensor& tensorAt(const Napi::CallbackInfo& info, size_t index) {
  return environment(info.Env()).handles.get<at::Tensor>(numberAt(info, index));
}

inline Napi::Value newTensor(Napi::Env env, at::Tensor tensor) {
  return Napi::Number::New(env, environment(env).handles.add(std::move(tensor)));
}

}  // namespace bidora
