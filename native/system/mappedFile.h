// Files whose pages are a tensor's memory, and what happens when another program changes them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace bidora {

// A mapped file was changed or can't be read, so that what was computed from it may be wrong.
struct FileChanged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What tells a file from others and, as far as the system knows, from what it was before a change. Renaming it and
// removing it from its folder change nothing here.
struct FileState {
  uint64_t device, inode, size;
  int64_t seconds;  // of its last change
  uint32_t nanoseconds;
  bool operator==(const FileState&) const = default;
};

// An open file and the mappings made of it. A page that can't be read, because the file was cut off or the disk fails,
// becomes zeros instead of ending the process.
class MappedFile {
 public:
  // Keeps a descriptor of its own while there are mappings.
  MappedFile(int fd, std::string path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Whether the descriptor is of the same file in the same state.
  bool isOf(int fd) const;

  // The address of the byte at an offset, which must be that of a page.
  void* map(off_t offset, size_t bytes);
  void unmap(void* start, size_t bytes);

  bool isMapped();

  // What happened to the file while it was mapped, and what to do; empty if nothing did.
  std::string fault();

 private:
  void look();

  const std::string path_;
  const FileState opened_;
  int fd_;
  std::mutex mutex_;
  size_t mappings_ = 0;
  bool isChanged_ = false;
  std::atomic<bool> isLost_ = false;  // a page of it could not be read
};

// The mapped files of one environment.
class MappedFiles {
 public:
  std::shared_ptr<MappedFile> of(int fd, const std::string& path);

  // Throws FileChanged if something happened to a file while it was mapped: each time until its last mapping is gone,
  // and once at least.
  void check();

 private:
  struct Entry {
    std::shared_ptr<MappedFile> file;
    bool isReported = false;
  };
  std::vector<Entry> entries_;
};

}  // namespace bidora
