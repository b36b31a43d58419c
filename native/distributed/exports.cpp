// The addon's functions for process groups. They block until all ranks have called them.
#include "bridge/exports.h"
#include "bridge/environment.h"
#include "bridge/guard.h"
#include "processGroup.h"

namespace bidora {
namespace {

using SharedGroup = std::shared_ptr<ProcessGroup>;

ProcessGroup& groupAt(const Napi::CallbackInfo& info, size_t index) {
  return *environment(info.Env()).handles.get<SharedGroup>(numberAt(info, index));
}

std::string textAt(const Napi::CallbackInfo& info, size_t index) { return info[index].ToString().Utf8Value(); }

// (host, port, rank, size, servesStore, prefix, timeout in milliseconds) => group
Napi::Value joinGroup(const Napi::CallbackInfo& info) {
  const GroupOptions options{
      .host = textAt(info, 0),
      .port = static_cast<uint16_t>(numberAt(info, 1)),
      .rank = static_cast<int>(numberAt(info, 2)),
      .size = static_cast<int>(numberAt(info, 3)),
      .servesStore = info[4].ToBoolean(),
      .prefix = textAt(info, 5),
      .timeout = std::chrono::milliseconds(static_cast<int64_t>(numberAt(info, 6))),
  };
  return Napi::Number::New(info.Env(), environment(info.Env()).handles.add(ProcessGroup::join(options)));
}

// (group, tensor)
Napi::Value groupStartSum(const Napi::CallbackInfo& info) {
  groupAt(info, 0).startSum(tensorAt(info, 1));
  return info.Env().Undefined();
}

// (group)
Napi::Value groupFinish(const Napi::CallbackInfo& info) {
  groupAt(info, 0).finish();
  return info.Env().Undefined();
}

// (group, tensor) => one tensor per rank
Napi::Value groupGather(const Napi::CallbackInfo& info) {
  std::vector<at::Tensor> tensors = groupAt(info, 0).gather(tensorAt(info, 1));
  Napi::Array handles = Napi::Array::New(info.Env(), tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) handles.Set(i, newTensor(info.Env(), std::move(tensors[i])));
  return handles;
}

// (group, tensor, root)
Napi::Value groupBroadcast(const Napi::CallbackInfo& info) {
  groupAt(info, 0).broadcast(tensorAt(info, 1), static_cast<int>(numberAt(info, 2)));
  return info.Env().Undefined();
}

// (group)
Napi::Value groupClose(const Napi::CallbackInfo& info) {
  groupAt(info, 0).close();
  return info.Env().Undefined();
}

// (group, key, value)
Napi::Value groupPut(const Napi::CallbackInfo& info) {
  groupAt(info, 0).put(textAt(info, 1), textAt(info, 2));
  return info.Env().Undefined();
}

// (group, key) => value
Napi::Value groupLook(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), groupAt(info, 0).look(textAt(info, 1)));
}

}  // namespace

void exportDistributed(Napi::Object exports) {
  exports.Set("hasProcessGroups", ProcessGroup::isAvailable());
  defineFunction<joinGroup>(exports, "joinGroup");
  defineFunction<groupStartSum>(exports, "groupStartSum");
  defineFunction<groupFinish>(exports, "groupFinish");
  defineFunction<groupGather>(exports, "groupGather");
  defineFunction<groupBroadcast>(exports, "groupBroadcast");
  defineFunction<groupClose>(exports, "groupClose");
  defineFunction<groupPut>(exports, "groupPut");
  defineFunction<groupLook>(exports, "groupLook");
}

}  // namespace bidora
