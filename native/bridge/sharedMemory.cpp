// Memory that processes of a machine share: an anonymous file that one of them fills, and tensors that are mappings of
// it.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "environment.h"
#include "exports.h"
#include "guard.h"
#include "values.h"

namespace bidora {
namespace {

int descriptorAt(const Napi::CallbackInfo& info, size_t index) { return info[index].As<Napi::Number>().Int32Value(); }

[[noreturn]] void failed(const char* what) {
  throw std::runtime_error(std::string("could not ") + what + ": " + std::strerror(errno) + ".");
}

// () => file descriptor; no folder has the file, and it is gone once no process has it open or mapped.
double newSharedMemory(const Napi::CallbackInfo& info) {
  const int fd = memfd_create("bidora", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) failed("make shared memory");
  return fd;
}

// (fd): from now on nobody can change or shorten it, so that reading a mapping can't fail.
void sealSharedMemory(const Napi::CallbackInfo& info) {
  if (fcntl(descriptorAt(info, 0), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    failed("seal shared memory");
}

// (fd) => whether it is shared memory that is sealed
bool isSealed(const Napi::CallbackInfo& info) {
  const int seals = fcntl(descriptorAt(info, 0), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_WRITE);
}

// (shape, dtype, fd, offset, path) => handle. A page that is written to is copied first: no other process sees the
// change.
Napi::Value mapFile(const Napi::CallbackInfo& info) {
  const std::vector<int64_t> sizes = sizesAt(info, 0);
  const at::ScalarType dtype = dtypeAt(info, 1);
  const int64_t offset = toInteger(info.Env(), info[3]), skipped = offset % sysconf(_SC_PAGESIZE);
  const size_t bytes = c10::multiply_integers(sizes) * c10::elementSize(dtype) + skipped;
  const auto file =
      environment(info.Env()).mappedFiles.of(descriptorAt(info, 2), info[4].As<Napi::String>().Utf8Value());
  void* start = file->map(static_cast<off_t>(offset - skipped), bytes);
  return newTensor(info.Env(), at::from_blob(
                                   static_cast<char*>(start) + skipped, sizes,
                                   [file, start, bytes](void*) { file->unmap(start, bytes); }, dtype));
}

}  // namespace

void exportSharedMemory(Napi::Object exports) {
  defineFunction<newSharedMemory>(exports, "newSharedMemory");
  defineFunction<sealSharedMemory>(exports, "sealSharedMemory");
  defineFunction<isSealed>(exports, "isSealed");
  defineFunction<mapFile>(exports, "mapFile");
}

}  // namespace bidora
