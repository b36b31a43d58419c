#include "tape.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones_like.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <stdexcept>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "recordedPart.h"
#include "values.h"

namespace bidora {

int32_t Tape::placeOf(const at::Tensor& tensor) {
  if (!tensor.defined()) return kNone;
  const auto [found, isNew] = places_.try_emplace(tensor.unsafeGetTensorImpl(), static_cast<int32_t>(tensors_.size()));
  if (isNew) tensors_.push_back(tensor);
  return found->second;
}

Tape::Argument Tape::argumentOf(const c10::IValue& value) {
  if (value.isTensor()) return {{placeOf(value.toTensor())}, true, false, {}};
  const bool isTensors = value.isTensorList() || (value.isList() && !value.toListRef().empty() &&
                                                  (value.toListRef()[0].isTensor() || value.toListRef()[0].isNone()));
  if (!isTensors) return {{}, false, false, value};
  Argument list{{}, true, true, value.isTensorList() ? c10::IValue(true) : c10::IValue()};
  const auto items = value.toList();
  for (size_t i = 0; i < items.size(); ++i) {
    const c10::IValue& item = items.get(i);
    list.places.push_back(item.isTensor() ? placeOf(item.toTensor()) : kNone);
  }
  return list;
}

void Tape::add(uint32_t op, const std::vector<c10::IValue>& arguments, const std::vector<c10::IValue>& results) {
  Entry entry{op, {}, {}, at::GradMode::is_enabled(), nullptr};
  for (const auto& value : arguments) entry.arguments.push_back(argumentOf(value));
  for (const auto& value : results) {
    const Argument result = argumentOf(value);
    if (result.isTensor) entry.results.insert(entry.results.end(), result.places.begin(), result.places.end());
  }
  entries_.push_back(std::move(entry));
}

void Tape::addPart(std::shared_ptr<const RecordedPart> part, const std::vector<at::Tensor>& inputs,
                   const std::vector<at::Tensor>& outputs) {
  Entry entry{0, {{{}, true, true, c10::IValue(true)}}, {}, true, std::move(part)};
  for (const at::Tensor& input : inputs) entry.arguments[0].places.push_back(placeOf(input));
  for (const at::Tensor& output : outputs) entry.results.push_back(placeOf(output));
  entries_.push_back(std::move(entry));
}

int32_t Tape::find(const at::Tensor& tensor) const {
  const auto found = places_.find(tensor.unsafeGetTensorImpl());
  return found == places_.end() ? kNone : found->second;
}

namespace {

// The edge of a tensor that nothing was computed from.
torch::autograd::Edge edgeFromNowhere() {
  return torch::autograd::impl::gradient_edge(at::empty({0}).requires_grad_(true));
}

// As in torch::autograd::grad.
torch::autograd::Edge edgeTo(const at::Tensor& tensor) {
  auto function = tensor.grad_fn();
  if (!function) function = torch::autograd::impl::try_get_grad_accumulator(tensor);
  if (!function) return edgeFromNowhere();
  return {function, static_cast<uint32_t>(tensor.output_nr())};
}

}  // namespace

void Tape::prune(const std::vector<int32_t>& kept, const std::vector<int32_t>& watched) {
  for (const int32_t place : watched) edges_.push_back(edgeTo(tensors_.at(place)));
  std::vector<at::Tensor> left(tensors_.size());
  for (const int32_t place : kept) left.at(place) = tensors_.at(place).detach();
  tensors_ = std::move(left);
  places_.clear();
}

std::vector<c10::IValue> Tape::stackOf(size_t entry, const std::vector<at::Tensor>& tensors) const {
  std::vector<c10::IValue> stack;
  size_t next = 0;
  const auto take = [&](int32_t place) {
    if (place == kNone) return at::Tensor();
    if (next == tensors.size()) throw std::invalid_argument("expected a replacement for each of the call's tensors.");
    return tensors[next++];
  };
  for (const Argument& argument : entries_.at(entry).arguments) {
    if (!argument.isTensor) stack.push_back(argument.value);
    else if (!argument.isList) stack.emplace_back(take(argument.places[0]));
    else if (argument.value.isNone()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const int32_t place : argument.places) {
        const at::Tensor tensor = take(place);
        list.push_back(tensor.defined() ? std::optional(tensor) : std::nullopt);
      }
      stack.emplace_back(std::move(list));
    } else {
      std::vector<at::Tensor> list;
      list.reserve(argument.places.size());
      for (const int32_t place : argument.places) list.push_back(take(place));
      stack.emplace_back(std::move(list));
    }
  }
  return stack;
}

bool isDifferentiable(const std::vector<c10::IValue>& results) {
  for (const auto& value : results) {
    if (value.isTensor() && value.toTensor().defined() && value.toTensor().requires_grad()) return true;
    if (value.isTensorList())
      for (const at::Tensor& tensor : value.toTensorVector())
        if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

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

Napi::Value startTape(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  if (state.tape) throw std::runtime_error("a tape is already being recorded.");
  state.tape = std::make_shared<Tape>();
  return info.Env().Undefined();
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
Napi::Value tapePlace(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), tapeAt(info, 0).find(tensorAt(info, 1)));
}

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
Napi::Value pruneTape(const Napi::CallbackInfo& info) {
  tapeAt(info, 0).prune(placesAt(info, 1), placesAt(info, 2));
  return info.Env().Undefined();
}

// (tape, places): releases the tensors at these places
Napi::Value dropFromTape(const Napi::CallbackInfo& info) {
  for (const int32_t place : placesAt(info, 1)) tapeAt(info, 0).drop(place);
  return info.Env().Undefined();
}

// (tape, loss, inputs) => the gradients of the inputs, then of the watched tensors: handles, or null if there is none
Napi::Value tapeGradients(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const at::Tensor& loss = tensorAt(info, 1);
  if (!loss.requires_grad() || loss.numel() != 1)
    throw std::invalid_argument("expected a scalar that requires a gradient.");
  const auto handles = info[2].As<Napi::Array>();
  torch::autograd::edge_list edges;
  for (uint32_t i = 0; i < handles.Length(); ++i) {
    const double handle = handles.Get(i).As<Napi::Number>().DoubleValue();
    edges.push_back(edgeTo(environment(env).handles.get<at::Tensor>(handle)));
  }
  for (auto& edge : tapeAt(info, 0).takeEdges()) edges.push_back(std::move(edge));
  if (edges.empty()) return Napi::Array::New(env);  // to the engine, no edges would mean all leaves
  const auto gradients = torch::autograd::Engine::get_default_engine().execute(
      {torch::autograd::impl::gradient_edge(loss)}, {at::ones_like(loss)}, false, false, false, edges);
  Napi::Array result = Napi::Array::New(env, gradients.size());
  for (uint32_t i = 0; i < gradients.size(); ++i)
    result.Set(i, gradients[i].defined() ? newTensor(env, gradients[i]) : env.Null());
  return result;
}

Napi::Value newTensors(Napi::Env env, std::vector<at::Tensor> tensors) {
  Napi::Array handles = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) handles.Set(i, newTensor(env, std::move(tensors[i])));
  return handles;
}

// (tape, entry, tensors) => handles of the results
Napi::Value replayTape(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& state = environment(env);
  Tape& tape = tapeAt(info, 0);
  const size_t entry = static_cast<size_t>(numberAt(info, 1));
  const auto handles = info[2].As<Napi::Array>();
  std::vector<at::Tensor> tensors(handles.Length());
  for (uint32_t i = 0; i < tensors.size(); ++i)
    tensors[i] = state.handles.get<at::Tensor>(handles.Get(i).As<Napi::Number>().DoubleValue());
  if (const auto& part = tape.entries().at(entry).part) {
    std::vector<at::Tensor> used;
    for (const size_t input : part->uses()) used.push_back(tensors.at(input));
    return newTensors(env, part->run(used, state.tape.get()));
  }
  Call call(state);
  const Operator& op = state.operators.at(tape.entries().at(entry).op);
  call.op = &op;
  call.stack = tape.stackOf(entry, tensors);
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
