// Creates tensors from bytes or files, writes them to bytes or files, describes and releases them.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "values.h"

namespace bidora {
namespace {

// Bytes from outside may hold any value, but a bool must be 0 or 1.
at::Tensor emptyForBytes(const std::vector<int64_t>& sizes, at::ScalarType dtype) {
  return at::empty(sizes, dtype == at::kBool ? at::kByte : dtype);
}

// A copy on the device. One to CUDA is made from page-locked memory, so that the processor need not wait for it.
at::Tensor onDevice(const at::Tensor& tensor, const c10::Device& device) {
  if (device.is_cpu()) return tensor;
  return device.is_cuda() ? tensor.pin_memory().to(device, tensor.scalar_type(), /*non_blocking=*/true)
                          : tensor.to(device);
}

// (bytes: Uint8Array, shape, dtype of the bytes, dtype of the tensor, device, by default the CPU) => handle of a copy.
Napi::Value fromBytes(const Napi::CallbackInfo& info) {
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const at::Tensor tensor = emptyForBytes(sizesAt(info, 1), dtypeAt(info, 2));
  if (bytes.ByteLength() != tensor.nbytes())
    throw std::invalid_argument("expected " + std::to_string(tensor.nbytes()) +
                                " bytes for this shape and dtype, got " + std::to_string(bytes.ByteLength()) + ".");
  if (tensor.nbytes()) std::memcpy(tensor.data_ptr(), bytes.Data(), tensor.nbytes());
  const at::Tensor host = tensor.to(dtypeAt(info, 3));
  if (info[4].IsUndefined()) return newTensor(info.Env(), host);
  return newTensor(info.Env(), onDevice(host, c10::Device(info[4].As<Napi::String>().Utf8Value())));
}

// Called after values were read. A pass whose values are read may be another one when it is repeated; and no value may
// leave that was computed from a file that changed.
void noteRead(Napi::Env env) {
  Environment& state = environment(env);
  if (state.pass) state.pass->isRepeatable = false;
  state.mappedFiles.check();
}

// (handle, dtype of the bytes) => Uint8Array with a copy of the elements in row-major order.
Napi::Value toBytes(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensorAt(info, 0).detach().cpu().to(dtypeAt(info, 1)).contiguous();
  auto bytes = Napi::Uint8Array::New(info.Env(), tensor.nbytes());
  if (tensor.nbytes()) std::memcpy(bytes.Data(), tensor.data_ptr(), tensor.nbytes());
  noteRead(info.Env());
  return bytes;
}

template <typename Transfer>
void transferAll(char* data, size_t size, int64_t offset, const char* verb, Transfer transfer) {
  while (size > 0) {
    const ssize_t done = transfer(data, size, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0)
      throw std::runtime_error(std::string("could not ") + verb + " the file: " + std::strerror(errno) + ".");
    if (done == 0) throw std::runtime_error("the file ends before the tensor does.");
    data += done;
    size -= static_cast<size_t>(done);
    offset += done;
  }
}

// (shape, dtype, fd, offset) => handle; reads the file directly into the tensor's memory.
Napi::Value readFile(const Napi::CallbackInfo& info) {
  const at::ScalarType dtype = dtypeAt(info, 1);
  const at::Tensor tensor = emptyForBytes(sizesAt(info, 0), dtype);
  const int fd = info[2].As<Napi::Number>().Int32Value();
  transferAll(static_cast<char*>(tensor.data_ptr()), tensor.nbytes(), toInteger(info.Env(), info[3]), "read",
              [fd](char* data, size_t size, int64_t offset) { return pread(fd, data, size, offset); });
  return newTensor(info.Env(), tensor.to(dtype));
}

// (handle, fd, offset): writes the elements in row-major order, without a copy if the tensor is contiguous.
void writeFile(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = tensorAt(info, 0).detach().cpu().contiguous();
  const int fd = info[1].As<Napi::Number>().Int32Value();
  transferAll(static_cast<char*>(tensor.data_ptr()), tensor.nbytes(), toInteger(info.Env(), info[2]), "write",
              [fd](char* data, size_t size, int64_t offset) { return pwrite(fd, data, size, offset); });
  noteRead(info.Env());
}

// (handle) => [dtype name, ...sizes], then the device's name unless it is the CPU
Napi::Value describe(const Napi::CallbackInfo& info) {
  const at::Tensor& tensor = tensorAt(info, 0);
  Napi::Array result = Napi::Array::New(info.Env(), tensor.dim() + 1);
  result.Set(0U, dtypeName(tensor.scalar_type()));
  for (int64_t i = 0; i < tensor.dim(); ++i)
    result.Set(static_cast<uint32_t>(i + 1), static_cast<double>(tensor.size(i)));
  if (!tensor.is_cpu()) result.Set(static_cast<uint32_t>(tensor.dim() + 1), tensor.device().str());
  return result;
}

// (handle) => the only element as a number; an int64 beyond 2^53 loses its last bits.
double item(const Napi::CallbackInfo& info) {
  const at::Scalar scalar = tensorAt(info, 0).item();
  noteRead(info.Env());
  return scalar.toDouble();
}

// (handles: Float64Array)
void release(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array)
    throw std::invalid_argument("expected a Float64Array of handles.");
  const auto handles = info[0].As<Napi::Float64Array>();
  HandleTable& table = environment(info.Env()).handles;
  for (size_t i = 0; i < handles.ElementLength(); ++i) table.release(handles[i]);
}

void releaseOne(const Napi::CallbackInfo& info) { environment(info.Env()).handles.release(numberAt(info, 0)); }

void tellCollector(Napi::Env env, int64_t change) {
  if (change != 0) Napi::MemoryManagement::AdjustExternalMemory(env, change);
}

// (handle): lets the garbage collector own the tensor, and reports its memory to it.
void giveToCollector(const Napi::CallbackInfo& info) {
  const double handle = numberAt(info, 0);
  Environment& state = environment(info.Env());
  tellCollector(info.Env(), state.collected.add(handle, state.handles.get<at::Tensor>(handle)));
}

void takeFromCollector(const Napi::CallbackInfo& info) {
  tellCollector(info.Env(), environment(info.Env()).collected.remove(numberAt(info, 0)));
}

// () => bytes reported to the garbage collector.
double collectableBytes(const Napi::CallbackInfo& info) {
  return static_cast<double>(environment(info.Env()).collected.bytes());
}

double liveHandles(const Napi::CallbackInfo& info) {
  return static_cast<double>(environment(info.Env()).handles.live());
}

}  // namespace

void exportTensors(Napi::Object exports) {
  defineFunction<fromBytes>(exports, "fromBytes");
  defineFunction<toBytes>(exports, "toBytes");
  defineFunction<readFile>(exports, "readFile");
  defineFunction<writeFile>(exports, "writeFile");
  defineFunction<describe>(exports, "describe");
  defineFunction<item>(exports, "item");
  defineFunction<release>(exports, "release");
  defineFunction<releaseOne>(exports, "releaseOne");
  defineFunction<giveToCollector>(exports, "giveToCollector");
  defineFunction<takeFromCollector>(exports, "takeFromCollector");
  defineFunction<collectableBytes>(exports, "collectableBytes");
  defineFunction<liveHandles>(exports, "liveHandles");
}

}  // namespace bidora
