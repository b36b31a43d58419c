// The addon's functions for tapes.
#include <ATen/ops/ones_like.h>
#include <torch/csrc/autograd/engine.h>

#include <memory>
#include <stdexcept>

#include "bridge/environment.h"
#include "bridge/exports.h"
#include "bridge/guard.h"
#include "bridge/values.h"
#include "recordedPart.h"
#include "tape.h"

namespace bidora {
namespace {

using SharedTape = std::shared_ptr<Tape>;

Tape& tapeAt(const Napi::CallbackInfo& info, size_t index) {
  return *environment(info.Env()).handles.get<SharedTape>(numberAt(info, index));
}

Napi::Value describePlace(Napi::Env env, int32_t place) {
  if (place == Tape::kNone) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object.Set("place", place);
  return object;
}

// Values that TypeScript does not need become null; the tape keeps them for replays.
Napi::Value describeValue(Napi::Env env, const c10::IValue& value) {
  if (value.isTensor() || value.isDevice() || value.isGenerator() || value.isObject()) return env.Null();
  return toJavaScript(env, c10::IValue(value));
}

Napi::Value describeArgument(Napi::Env env, const Tape::Argument& argument) {
  if (!argument.isTensor) return describeValue(env, argument.value);
  if (!argument.isList) return describePlace(env, argument.places[0]);
  Napi::Array list = Napi::Array::New(env, argument.places.size());
  for (uint32_t i = 0; i < argument.places.size(); ++i) list.Set(i, describePlace(env, argument.places[i]));
  return list;
}

Napi::Value describeEntry(Napi::Env env, OperatorTable& operators, const Tape::Entry& entry) {
  Napi::Array arguments = Napi::Array::New(env), results = Napi::Array::New(env);
  for (const auto& argument : entry.arguments) arguments.Set(arguments.Length(), describeArgument(env, argument));
  for (const int32_t place : entry.results) results.Set(results.Length(), place);
  bool writes = false;
  std::string name = "checkpoint";
  if (!entry.part) {
    const Operator& op = operators.at(entry.op);
    for (const bool isAliased : op.aliased) writes = writes || isAliased;
    name = op.name;
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("operator", name);
  object.Set("arguments", arguments);
  object.Set("results", results);
  object.Set("writes", writes);
  return object;
}

void startTape(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  if (state.tape) throw std::runtime_error("a tape is already being recorded.");
  state.tape = std::make_shared<Tape>();
}

// () => {handle, entries}
Napi::Value stopTape(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& state = environment(env);
  if (!state.tape) throw std::runtime_error("no tape is being recorded.");
  const SharedTape tape = std::move(state.tape);
  state.tape = nullptr;
  Napi::Array entries = Napi::Array::New(env);
  for (const auto& entry : tape->entries()) entries.Set(entries.Length(), describeEntry(env, state.operators, entry));
  Napi::Object object = Napi::Object::New(env);
  object.Set("handle", state.handles.add(tape));
  object.Set("entries", entries);
  return object;
}

// (tape, tensor) => the tensor's place, or −1
double tapePlace(const Napi::CallbackInfo& info) { return tapeAt(info, 0).find(tensorAt(info, 1)); }

// (tape, place) => a handle, or null if it was released
Napi::Value tapeTensor(const Napi::CallbackInfo& info) {
  const Tape& tape = tapeAt(info, 0);
  const double place = numberAt(info, 1);
  if (!(place >= 0 && place < static_cast<double>(tape.size())))
    throw std::invalid_argument("expected a place on the tape.");
  const at::Tensor tensor = tape.tensor(static_cast<size_t>(place));
  return tensor.defined() ? newTensor(info.Env(), tensor) : info.Env().Null();
}

std::vector<int32_t> placesAt(const Napi::CallbackInfo& info, size_t index) {
  const auto array = info[index].As<Napi::Array>();
  std::vector<int32_t> places(array.Length());
  for (uint32_t i = 0; i < places.size(); ++i) places[i] = array.Get(i).As<Napi::Number>().Int32Value();
  return places;
}

// (tape, kept places, watched places)
void pruneTape(const Napi::CallbackInfo& info) { tapeAt(info, 0).prune(placesAt(info, 1), placesAt(info, 2)); }

// (tape, places): releases the tensors at these places
void dropFromTape(const Napi::CallbackInfo& info) {
  for (const int32_t place : placesAt(info, 1)) tapeAt(info, 0).drop(place);
}

// (tape, loss, inputs) => the gradients of the inputs, then of the watched tensors: handles, or null if there is none
Napi::Value tapeGradients(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const at::Tensor& loss = tensorAt(info, 1);
  if (!loss.requires_grad() || loss.numel() != 1)
    throw std::invalid_argument("expected a scalar that requires a gradient.");
  torch::autograd::edge_list edges;
  for (const at::Tensor& input : tensorsAt(info, 2)) edges.push_back(edgeTo(input));
  for (auto& edge : tapeAt(info, 0).takeEdges()) edges.push_back(std::move(edge));
  if (edges.empty()) return Napi::Array::New(env);  // to the engine, no edges would mean all leaves
  const auto gradients = torch::autograd::Engine::get_default_engine().execute(
      {torch::autograd::impl::gradient_edge(loss)}, {at::ones_like(loss)}, false, false, false, edges);
  return newTensors(env, gradients);
}

// (tape, entry, tensors) => handles of the results
Napi::Value replayTape(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& state = environment(env);
  Tape& tape = tapeAt(info, 0);
  const size_t entry = static_cast<size_t>(numberAt(info, 1));
  std::vector<at::Tensor> tensors = tensorsAt(info, 2);
  if (const auto& part = tape.entries().at(entry).part) {
    std::vector<at::Tensor> used;
    for (const size_t input : part->uses()) used.push_back(tensors.at(input));
    return newTensors(env, part->run(used, state.tape.get()));
  }
  Call call(state);
  const Operator& op = state.operators.at(tape.entries().at(entry).op);
  call.op = &op;
  call.stack = tape.stackOf(entry, std::move(tensors));
  op.handle.callBoxed(&call.stack);
  Napi::Array results = Napi::Array::New(env);
  for (auto& value : call.stack) {
    if (value.isTensor()) {
      results.Set(results.Length(), toJavaScript(env, std::move(value)));
      continue;
    }
    if (!value.isTensorList()) continue;
    for (const at::Tensor& tensor : value.toTensorVector()) results.Set(results.Length(), newTensor(env, tensor));
  }
  return results;
}

}  // namespace

void exportTape(Napi::Object exports) {
  defineFunction<startTape>(exports, "startTape");
  defineFunction<stopTape>(exports, "stopTape");
  defineFunction<tapePlace>(exports, "tapePlace");
  defineFunction<tapeTensor>(exports, "tapeTensor");
  defineFunction<pruneTape>(exports, "pruneTape");
  defineFunction<dropFromTape>(exports, "dropFromTape");
  defineFunction<tapeGradients>(exports, "tapeGradients");
  defineFunction<replayTape>(exports, "replayTape");
}

}  // namespace bidora
