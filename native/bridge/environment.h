// State of one JavaScript environment (the main thread or a worker): handles, operators, the call in flight.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

#include "autograd/recordedPass.h"
#include "autograd/tape.h"
#include "collected.h"
#include "handles.h"
#include "operators.h"
#include "profile.h"
#include "system/mappedFile.h"

namespace bidora {

struct Call;

struct Environment {
  explicit Environment(uint32_t firstGeneration) : handles(firstGeneration) {}

  HandleTable handles;
  CollectedMemory collected;
  OperatorTable operators;
  MappedFiles mappedFiles;
  Napi::FunctionReference makeError;  // (message, operator, schema, shapes, whether a mapped file changed) => Error
  const Call* call = nullptr;         // in flight, for the error message
  std::unique_ptr<Profile> profile;
  std::shared_ptr<Tape> tape;  // being recorded
  std::unique_ptr<Tape> part;  // the calls of the checkpointed part being recorded, repeated in the backward pass
  std::unique_ptr<PassRecording> pass;  // being recorded
};

// An operator call in flight.
struct Call {
  explicit Call(Environment& environment) : environment_(environment), outer_(std::exchange(environment.call, this)) {}
  ~Call() { environment_.call = outer_; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Operator* op = nullptr;
  std::vector<c10::IValue> stack;  // arguments, then results

 private:
  Environment& environment_;
  const Call* outer_;
};

Environment& environment(Napi::Env env);

inline double numberAt(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsNumber())
    throw HandleError("argument " + std::to_string(index) + " must be a number or a handle.");
  return info[index].As<Napi::Number>().DoubleValue();
}

inline at::Tensor& tensorAt(const Napi::CallbackInfo& info, size_t index) {
  return environment(info.Env()).handles.get<at::Tensor>(numberAt(info, index));
}

inline Napi::Value newTensor(Napi::Env env, at::Tensor tensor) {
  Environment& state = environment(env);
  if (state.pass && !state.call) state.pass->isRepeatable = false;
  return Napi::Number::New(env, state.handles.add(std::move(tensor)));
}

// An array of handles; in the optional form, null means an undefined tensor.
inline std::vector<at::Tensor> tensorsAt(const Napi::CallbackInfo& info, size_t index, bool optional = false) {
  if (!info[index].IsArray()) throw std::invalid_argument("expected an array of tensors.");
  const auto array = info[index].As<Napi::Array>();
  std::vector<at::Tensor> tensors(array.Length());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const Napi::Value handle = array.Get(i);
    if (optional && handle.IsNull()) continue;
    if (!handle.IsNumber()) throw std::invalid_argument("expected a tensor.");
    tensors[i] = environment(info.Env()).handles.get<at::Tensor>(handle.As<Napi::Number>().DoubleValue());
  }
  return tensors;
}

// An array of handles, with null for undefined tensors.
inline Napi::Value newTensors(Napi::Env env, const std::vector<at::Tensor>& tensors) {
  Napi::Array handles = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i)
    handles.Set(i, tensors[i].defined() ? newTensor(env, tensors[i]) : env.Null());
  return handles;
}

}  // namespace bidora
