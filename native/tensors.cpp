// Tensors themselves: made from bytes, read into bytes or files, described, released.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "values.h"

namespace bidora {
namespace {

std::vector<int64_t> sizesAt(const Napi::CallbackInfo& info, size_t index) {
  const auto array = info[index].As<Napi::Array>();
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < array.Length(); ++i) sizes.push_back(array.Get(i).As<Napi::Number>().Int64Value());
  return sizes;
}

// (bytes: Uint8Array, shape, dtype) => handle; copies.
Napi::Value fromBytes(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  at::Tensor tensor = at::empty(sizesAt(info, 1), dtypeFromName(info[2].As<Napi::String>().Utf8Value()));
  if (bytes.ByteLength() != tensor.nbytes())
    throw std::invalid_argument("expected " + std::to_string(tensor.nbytes()) + " bytes for this shape and dtype, got " +
                                std::to_string(bytes.ByteLength()) + ".");
  if (tensor.nbytes()) std::memcpy(tensor.data_ptr(), bytes.Data(), tensor.nbytes());
  return newTensor(info.Env(), std::move(tensor));
}

// (handle) => Uint8Array of its elements in row-major order; copies.
Napi::Value toBytes(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensorAt(info, 0).detach().cpu().contiguous();
  auto bytes = Napi::Uint8Array::New(info.Env(), tensor.nbytes());
  if (tensor.nbytes()) std::memcpy(bytes.Data(), tensor.data_ptr(), tensor.nbytes());
  return bytes;
}

template <typename Transfer>
void transferAll(char* data, size_t size, int64_t offset, const char* verb, Transfer transfer) {
  while (size > 0) {
    const ssize_t done = transfer(data, size, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw std::runtime_error(std::string("could not ") + verb + " the file: " + std::strerror(errno) + ".");
    if (done == 0) throw std::runtime_error("the file ends before the tensor does.");
    data += done;
    size -= static_cast<size_t>(done);
    offset += done;
  }
}

// (shape, dtype, fd, offset) => handle; the file's bytes go straight into the tensor's memory.
Napi::Value readFile(const Napi::CallbackInfo& info) {
  at::Tensor tensor = at::empty(sizesAt(info, 0), dtypeFromName(info[1].As<Napi::String>().Utf8Value()));
  const int fd = info[2].As<Napi::Number>().Int32Value();
  transferAll(static_cast<char*>(tensor.data_ptr()), tensor.nbytes(), info[3].As<Napi::Number>().Int64Value(), "read",
              [fd](char* data, size_t size, int64_t offset) { return pread(fd, data, size, offset); });
  return newTensor(info.Env(), std::move(tensor));
}

// (handle, fd, offset): the tensor's elements in row-major order, written without a copy when it is contiguous.
Napi::Value writeFile(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensorAt(info, 0).detach().cpu().contiguous();
  const int fd = info[1].As<Napi::Number>().Int32Value();
  transferAll(static_cast<char*>(tensor.data_ptr()), tensor.nbytes(), info[2].As<Napi::Number>().Int64Value(), "write",
              [fd](char* data, size_t size, int64_t offset) { return pwrite(fd, data, size, offset); });
  return info.Env().Undefined();
}

// (handle) => [dtype name, ...sizes]
Napi::Value describe(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorAt(info, 0);
  Napi::Array result = Napi::Array::New(info.Env(), tensor.dim() + 1);
  result.Set(0U, dtypeName(tensor.scalar_type()));
  for (int64_t i = 0; i < tensor.dim(); ++i) result.Set(static_cast<uint32_t>(i + 1), static_cast<double>(tensor.size(i)));
  return result;
}

// (handle) => bytes of its storage, what the garbage collector is told of.
Napi::Value storageBytes(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorAt(info, 0);
  return Napi::Number::New(info.Env(), tensor.has_storage() ? static_cast<double>(tensor.storage().nbytes()) : 0);
}

// (handle) => the one element as a number; an int64 beyond 2^53 loses its last bits.
Napi::Value item(const Napi::CallbackInfo& info) {
  const at::Scalar scalar = tensorAt(info, 0).item();
  return Napi::Number::New(info.Env(), scalar.toDouble());
}

// (handles: Float64Array)
Napi::Value release(const Napi::CallbackInfo& info) {
  const auto handles = info[0].As<Napi::Float64Array>();
  HandleTable& table = environment(info.Env()).handles;
  for (size_t i = 0; i < handles.ElementLength(); ++i) table.release(handles[i]);
  return info.Env().Undefined();
}

Napi::Value releaseOne(const Napi::CallbackInfo& info) {
  environment(info.Env()).handles.release(numberAt(info, 0));
  return info.Env().Undefined();
}

// (change in bytes) => total: tells V8 of memory that only a handle keeps alive.
Napi::Value adjustExternalMemory(const Napi::CallbackInfo& info) {
  const int64_t total = Napi::MemoryManagement::AdjustExternalMemory(info.Env(), info[0].As<Napi::Number>().Int64Value());
  return Napi::Number::New(info.Env(), static_cast<double>(total));
}

Napi::Value liveHandles(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(environment(info.Env()).handles.live()));
}

}  // namespace

void exportTensors(Napi::Object exports) {
  defineFunction<fromBytes>(exports, "fromBytes");
  defineFunction<toBytes>(exports, "toBytes");
  defineFunction<readFile>(exports, "readFile");
  defineFunction<writeFile>(exports, "writeFile");
  defineFunction<describe>(exports, "describe");
  defineFunction<storageBytes>(exports, "storageBytes");
  defineFunction<item>(exports, "item");
  defineFunction<release>(exports, "release");
  defineFunction<releaseOne>(exports, "releaseOne");
  defineFunction<adjustExternalMemory>(exports, "adjustExternalMemory");
  defineFunction<liveHandles>(exports, "liveHandles");
}

}  // namespace bidora
