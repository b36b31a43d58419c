#include "profile.h"

#include <sstream>
#include <string_view>

#include "environment.h"
#include "exports.h"
#include "guard.h"

namespace bidora {
namespace {

thread_local Profile* observing = nullptr;

struct OpenEvent : at::ObserverContext {
  explicit OpenEvent(size_t index) : index(index) {}
  size_t index;
};

// Wraps each backward node, which is recorded itself.
constexpr std::string_view kWrapper = "autograd::engine::evaluate_function";

std::unique_ptr<at::ObserverContext> onStart(const at::RecordFunction& function) {
  if (!observing || std::string_view(function.name()).starts_with(kWrapper)) return nullptr;
  return std::make_unique<OpenEvent>(observing->openOperator(function));
}

void onEnd(const at::RecordFunction&, at::ObserverContext* context) {
  if (observing && context) observing->close(static_cast<OpenEvent*>(context)->index);
}

std::string shapesOf(c10::ArrayRef<const c10::IValue> inputs) {
  std::ostringstream text;
  const char* separator = "";
  for (const c10::IValue& input : inputs) {
    if (!input.isTensor() || !input.toTensor().defined()) continue;
    text << std::exchange(separator, " ") << input.toTensor().sizes();
  }
  return text.str();
}

}  // namespace

Profile::Profile(bool withShapes) : withShapes_(withShapes) {
  intern("");
  callback_ = at::addThreadLocalCallback(at::RecordFunctionCallback(onStart, onEnd)
                                             .needsInputs(withShapes)
                                             .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
  observing = this;
}

Profile::~Profile() {
  observing = nullptr;
  at::removeCallback(callback_);
}

size_t Profile::openOperator(const at::RecordFunction& function) {
  const Kind kind = function.scope() == at::RecordScope::BACKWARD_FUNCTION ? Kind::kBackward : Kind::kOperator;
  return open(function.name(), withShapes_ ? shapesOf(function.inputs()) : "", kind, rangeOf(function));
}

void Profile::openRange(const std::string& name) {
  openRanges_.push_back(
      open(name, "", Kind::kRange, openRanges_.empty() ? -1 : static_cast<int32_t>(openRanges_.back())));
}

void Profile::closeRange() {
  if (openRanges_.empty()) return;
  close(openRanges_.back());
  openRanges_.pop_back();
}

void Profile::close(size_t event) {
  while (!open_.empty()) {
    const size_t last = open_.back();
    open_.pop_back();
    events_[last].duration = now() - events_[last].start;
    if (last == event) return;
  }
}

void Profile::finish() {
  if (!open_.empty()) close(open_.front());
}

size_t Profile::open(const std::string& name, const std::string& shapes, Kind kind, int32_t range) {
  events_.push_back({intern(name), intern(shapes), kind, static_cast<int32_t>(open_.size()), range, now(), 0});
  open_.push_back(events_.size() - 1);
  return open_.back();
}

int32_t Profile::intern(const std::string& text) {
  const auto [entry, isNew] = ids_.try_emplace(text, static_cast<int32_t>(strings_.size()));
  if (isNew) strings_.push_back(text);
  return entry->second;
}

// An operator's backward pass belongs to the range of its forward call; autograd gives both the same sequence number.
int32_t Profile::rangeOf(const at::RecordFunction& function) {
  if (!openRanges_.empty()) {
    const auto range = static_cast<int32_t>(openRanges_.back());
    if (function.scope() == at::RecordScope::FUNCTION && function.seqNr() >= 0)
      forwardRanges_[function.seqNr()] = range;
    return range;
  }
  if (function.scope() == at::RecordScope::BACKWARD_FUNCTION) {
    const auto forward = forwardRanges_.find(function.seqNr());
    if (forward != forwardRanges_.end()) return forward->second;
  }
  return open_.empty() ? -1 : events_[open_.back()].range;
}

double Profile::now() const {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin_).count();
}

namespace {

// (withShapes)
void startProfile(const Napi::CallbackInfo& info) {
  auto& profile = environment(info.Env()).profile;
  if (profile) throw std::runtime_error("a profile is already being recorded: stop it first.");
  profile = std::make_unique<Profile>(info[0].ToBoolean().Value());
}

template <typename Array, typename Read>
Array column(Napi::Env env, const std::vector<Profile::Event>& events, Read read) {
  auto array = Array::New(env, events.size());
  for (size_t i = 0; i < events.size(); ++i) array[i] = read(events[i]);
  return array;
}

// () => the events, as columns
Napi::Value stopProfile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto profile = std::move(environment(env).profile);
  if (!profile) throw std::runtime_error("no profile is being recorded: start one first.");
  profile->finish();
  const auto& events = profile->events();
  const auto& texts = profile->strings();
  Napi::Array strings = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); ++i) strings.Set(i, texts[i]);
  using Ids = Napi::Int32Array;
  using Times = Napi::Float64Array;
  Napi::Object columns = Napi::Object::New(env);
  columns.Set("strings", strings);
  columns.Set("name", column<Ids>(env, events, [](const auto& event) { return event.name; }));
  columns.Set("shapes", column<Ids>(env, events, [](const auto& event) { return event.shapes; }));
  columns.Set("kind", column<Ids>(env, events, [](const auto& event) { return static_cast<int32_t>(event.kind); }));
  columns.Set("depth", column<Ids>(env, events, [](const auto& event) { return event.depth; }));
  columns.Set("range", column<Ids>(env, events, [](const auto& event) { return event.range; }));
  columns.Set("start", column<Times>(env, events, [](const auto& event) { return event.start; }));
  columns.Set("duration", column<Times>(env, events, [](const auto& event) { return event.duration; }));
  return columns;
}

// (name)
void pushRange(const Napi::CallbackInfo& info) {
  auto& profile = environment(info.Env()).profile;
  if (profile) profile->openRange(info[0].As<Napi::String>().Utf8Value());
}

void popRange(const Napi::CallbackInfo& info) {
  auto& profile = environment(info.Env()).profile;
  if (profile) profile->closeRange();
}

}  // namespace

void exportProfile(Napi::Object exports) {
  defineFunction<startProfile>(exports, "startProfile");
  defineFunction<stopProfile>(exports, "stopProfile");
  defineFunction<pushRange>(exports, "pushRange");
  defineFunction<popRange>(exports, "popRange");
}

}  // namespace bidora
