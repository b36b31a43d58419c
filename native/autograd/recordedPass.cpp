#include "recordedPass.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include "bridge/environment.h"
#include "bridge/exports.h"
#include "bridge/guard.h"

namespace bidora {
namespace {

void checkIsDeterministic(const Operator& op) {
  if (op.handle.hasTag(at::Tag::nondeterministic_seeded) || op.handle.hasTag(at::Tag::dynamic_output_shape))
    throw std::invalid_argument(op.name + " may return something else when it is repeated.");
}

// The places of the tensors that a call writes to.
std::vector<int32_t> writtenBy(const Operator& op, const Tape::Entry& entry) {
  std::vector<int32_t> written;
  const auto& declared = op.handle.schema().arguments();
  for (size_t i = 0; i < declared.size(); ++i)
    if (declared[i].alias_info() && declared[i].alias_info()->isWrite())
      written.insert(written.end(), entry.arguments[i].places.begin(), entry.arguments[i].places.end());
  return written;
}

at::Tensor lock(const PassRecording::Weak& tensor) { return at::Tensor(tensor.lock()); }

int64_t versionOf(const PassRecording::Weak& weak) {
  const at::Tensor tensor = lock(weak);
  if (!tensor.defined()) throw std::invalid_argument("a tensor that the pass did not make was released.");
  return tensor._version();
}

}  // namespace

void PassRecording::add(uint32_t op, const std::vector<c10::IValue>& arguments,
                        const std::vector<c10::IValue>& results) {
  calls.add(op, arguments, results);
  for (size_t place = tensors.size(); place < calls.size(); ++place) {
    tensors.emplace_back(calls.tensor(place).getIntrusivePtr());
    calls.drop(place);
  }
}

RecordedPass::RecordedPass(PassRecording&& recording, OperatorTable& operators, const std::vector<at::Tensor>& inputs,
                           const at::Tensor& output)
    : calls_(std::move(recording.calls)), output_(calls_.find(output)) {
  if (output_ == Tape::kNone) throw std::invalid_argument("expected the result of a call.");
  findInputs(inputs);
  findSteps(operators, recording.tensors);
  for (const Weak& source : recording.sources) constants_.push_back({Tape::kNone, source, versionOf(source)});
  std::vector<size_t> entries(steps_.size());
  std::iota(entries.begin(), entries.end(), size_t{0});
  lastUses_ = lastUses(calls_, entries, {output_});
  calls_.prune({}, {});
}

void RecordedPass::findInputs(const std::vector<at::Tensor>& inputs) {
  for (const at::Tensor& input : inputs) {
    const auto first =
        std::find_if(inputs.begin(), inputs.end(), [&](const at::Tensor& t) { return t.is_same(input); });
    inputs_.push_back({calls_.find(input), static_cast<size_t>(first - inputs.begin()), input.sizes().vec(),
                       input.scalar_type(), input.device()});
  }
}

// What a call reads that is neither an input nor a result is a constant. Only constants may be written to: a repeated
// call makes a tensor of its own, while a constant keeps what is written to it.
void RecordedPass::findSteps(OperatorTable& operators, const std::vector<Weak>& tensors) {
  enum class From { nowhere, input, call, constant };
  std::vector<From> from(calls_.size(), From::nowhere);
  std::vector<bool> isWritten(calls_.size());
  for (const Input& input : inputs_)
    if (input.place != Tape::kNone) from[input.place] = From::input;
  for (size_t e = 0; e < calls_.entries().size(); ++e) {
    const Tape::Entry& entry = calls_.entries()[e];
    const Operator& op = operators.at(entry.op);
    checkIsDeterministic(op);
    Step step{&op, placesOf(entry)};
    for (const int32_t place : step.reads) {
      if (from[place] != From::nowhere) continue;
      from[place] = From::constant;
      constants_.push_back({place, tensors[place], std::nullopt});
    }
    for (const int32_t place : writtenBy(op, entry)) {
      if (place == Tape::kNone) continue;
      if (from[place] != From::constant)
        throw std::invalid_argument(op.name + " writes to a tensor that a repeated pass would make again.");
      isWritten[place] = true;
    }
    for (const int32_t place : entry.results)
      if (place != Tape::kNone && from[place] == From::nowhere) from[place] = From::call;
    steps_.push_back(std::move(step));
  }
  for (Constant& constant : constants_)
    if (!isWritten[constant.place]) constant.version = versionOf(constant.tensor);
}

bool RecordedPass::takes(const std::vector<at::Tensor>& inputs) const {
  if (inputs.size() != inputs_.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Input& like = inputs_[i];
    if (inputs[i].sizes() != like.sizes || inputs[i].scalar_type() != like.dtype || inputs[i].device() != like.device)
      return false;
    for (size_t j = 0; j <= like.first; ++j)
      if (inputs[j].is_same(inputs[i]) != (j == like.first)) return false;
  }
  return true;
}

std::optional<at::Tensor> RecordedPass::run(const std::vector<at::Tensor>& inputs, Call& call) const {
  if (!takes(inputs)) return std::nullopt;
  std::vector<at::Tensor> tensors(calls_.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs_[i].place != Tape::kNone) tensors[inputs_[i].place] = inputs[i];
  for (const auto& [place, weak, version] : constants_) {
    const at::Tensor constant = lock(weak);
    if (!constant.defined() || (version && constant._version() != *version)) return std::nullopt;
    if (place != Tape::kNone) tensors[place] = constant;
  }
  const at::AutoDispatchBelowADInplaceOrView below;
  for (size_t s = 0; s < steps_.size(); ++s) {
    const Step& step = steps_[s];
    std::vector<at::Tensor> read;
    read.reserve(step.reads.size());
    for (const int32_t place : step.reads) read.push_back(tensors[place]);
    call.op = step.op;
    call.stack = calls_.stackOf(s, std::move(read));
    step.op->handle.callBoxed(&call.stack);
    const std::vector<at::Tensor> results = tensorsOf(call.stack);
    for (size_t i = 0; i < results.size(); ++i) {
      const int32_t place = calls_.entries()[s].results[i];
      if (place != Tape::kNone) tensors[place] = results[i];
    }
    for (const int32_t place : lastUses_[s]) tensors[place] = at::Tensor();
  }
  return tensors[output_];
}

namespace {

// () => whether a recording was started; none is in grad mode or within another.
bool startPass(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  const bool isStarted = !at::GradMode::is_enabled() && !state.pass;
  if (isStarted) state.pass = std::make_unique<PassRecording>();
  return isStarted;
}

// (inputs, output, or null to record nothing) => the pass, or null if it can't be repeated
Napi::Value stopPass(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  if (!state.pass) throw std::runtime_error("no pass is being recorded.");
  const std::unique_ptr<PassRecording> recording = std::move(state.pass);
  if (info[1].IsNull() || !recording->isRepeatable) return info.Env().Null();
  try {
    auto pass =
        std::make_shared<RecordedPass>(std::move(*recording), state.operators, tensorsAt(info, 0), tensorAt(info, 1));
    return Napi::Number::New(info.Env(), state.handles.add(std::move(pass)));
  } catch (const std::invalid_argument&) {
    return info.Env().Null();
  }
}

// (tensors): the pass that is being recorded, if any, depends on their values.
void dependOn(const Napi::CallbackInfo& info) {
  if (const auto& pass = environment(info.Env()).pass)
    for (const at::Tensor& tensor : tensorsAt(info, 0)) pass->dependOn(tensor);
}

// (pass, inputs) => the output, or null if the pass does not fit
Napi::Value runPass(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  const auto pass = state.handles.get<std::shared_ptr<RecordedPass>>(numberAt(info, 0));
  const std::vector<at::Tensor> inputs = tensorsAt(info, 1);
  if (at::GradMode::is_enabled()) return info.Env().Null();
  std::optional<at::Tensor> output;
  {
    Call call(state);
    try {
      output = pass->run(inputs, call);
    } catch (...) {
      throwToJavaScript(info.Env());  // while the call is in flight, for its message
    }
  }
  return output ? newTensor(info.Env(), *output) : info.Env().Null();
}

}  // namespace

void exportPass(Napi::Object exports) {
  defineFunction<startPass>(exports, "startPass");
  defineFunction<stopPass>(exports, "stopPass");
  defineFunction<dependOn>(exports, "dependOn");
  defineFunction<runPass>(exports, "runPass");
}

}  // namespace bidora
