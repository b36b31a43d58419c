// The addon's functions for process groups. Those that compute block until all ranks have called them.
#include "bridge/exports.h"
#include "bridge/environment.h"
#include "bridge/guard.h"
#include "groupSum.h"

namespace bidora {
namespace {

using SharedGroup = std::shared_ptr<ProcessGroup>;

ProcessGroup& groupAt(const Napi::CallbackInfo& info, size_t index) {
  return *environment(info.Env()).handles.get<SharedGroup>(numberAt(info, index));
}

GroupSum& sumAt(const Napi::CallbackInfo& info, size_t index) {
  const auto& sum = groupAt(info, index).sum;
  if (!sum) throw std::invalid_argument("no sum was started.");
  return *sum;
}

std::string textAt(const Napi::CallbackInfo& info, size_t index) { return info[index].ToString().Utf8Value(); }

// (host, port, rank, size, servesStore, prefix, timeout and time to join in milliseconds) => group
double joinGroup(const Napi::CallbackInfo& info) {
  const GroupOptions options{
      .host = textAt(info, 0),
      .port = static_cast<uint16_t>(numberAt(info, 1)),
      .rank = static_cast<int>(numberAt(info, 2)),
      .size = static_cast<int>(numberAt(info, 3)),
      .servesStore = info[4].ToBoolean(),
      .prefix = textAt(info, 5),
      .timeout = std::chrono::milliseconds(static_cast<int64_t>(numberAt(info, 6))),
      .joinTimeout = std::chrono::milliseconds(static_cast<int64_t>(numberAt(info, 7))),
  };
  return environment(info.Env()).handles.add(ProcessGroup::join(options));
}

// (group) => whether all processes have come together
bool groupIsJoined(const Napi::CallbackInfo& info) { return groupAt(info, 0).isJoined(); }

// (group, tensors like those that will be summed)
void groupStartSum(const Napi::CallbackInfo& info) {
  ProcessGroup& group = groupAt(info, 0);
  group.sum = std::make_unique<GroupSum>(group, tensorsAt(info, 1));
}

// (group, tensor, index of the first input among the sum's tensors) => (handle | null)[]
Napi::Value groupGradients(const Napi::CallbackInfo& info) {
  return newTensors(info.Env(), sumAt(info, 0).gradients(tensorAt(info, 1), static_cast<size_t>(numberAt(info, 2))));
}

// (group, tensors) => their sums. No rank gets them if a file changed that this one computed from.
Napi::Value groupFinishSum(const Napi::CallbackInfo& info) {
  environment(info.Env()).mappedFiles.check();
  std::vector<at::Tensor> sums = sumAt(info, 0).finish(tensorsAt(info, 1));
  groupAt(info, 0).sum.reset();
  return newTensors(info.Env(), sums);
}

// (group, tensor) => one tensor per rank
Napi::Value groupGather(const Napi::CallbackInfo& info) {
  environment(info.Env()).mappedFiles.check();
  return newTensors(info.Env(), groupAt(info, 0).gather(tensorAt(info, 1)));
}

// (group)
void groupClose(const Napi::CallbackInfo& info) { groupAt(info, 0).close(); }

// (group, key, value)
void groupPut(const Napi::CallbackInfo& info) { groupAt(info, 0).put(textAt(info, 1), textAt(info, 2)); }

// (group, key) => value
std::string groupLook(const Napi::CallbackInfo& info) { return groupAt(info, 0).look(textAt(info, 1)); }

}  // namespace

void exportDistributed(Napi::Object exports) {
  exports.Set("hasProcessGroups", ProcessGroup::isAvailable());
  defineFunction<joinGroup>(exports, "joinGroup");
  defineFunction<groupIsJoined>(exports, "groupIsJoined");
  defineFunction<groupStartSum>(exports, "groupStartSum");
  defineFunction<groupGradients>(exports, "groupGradients");
  defineFunction<groupFinishSum>(exports, "groupFinishSum");
  defineFunction<groupGather>(exports, "groupGather");
  defineFunction<groupClose>(exports, "groupClose");
  defineFunction<groupPut>(exports, "groupPut");
  defineFunction<groupLook>(exports, "groupLook");
}

}  // namespace bidora
