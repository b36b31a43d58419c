#include "mappedFile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace bidora {
namespace {

// A mapping, or a free place for one. The signal handler reads them without a lock; they are never freed.
struct Range {
  std::atomic<std::byte*> start = nullptr;
  std::atomic<std::byte*> end = nullptr;
  std::atomic<std::atomic<bool>*> isLost = nullptr;
  Range* next = nullptr;
};

std::atomic<Range*> ranges = nullptr;
std::mutex changingRanges;
struct sigaction previousAction;

size_t pageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

void addRange(void* start, size_t bytes, std::atomic<bool>& isLost) {
  const std::lock_guard lock(changingRanges);
  Range* range = ranges;
  while (range && range->start) range = range->next;
  if (!range) {
    range = new Range;
    range->next = ranges;
    ranges = range;
  }
  range->isLost = &isLost;
  range->start = static_cast<std::byte*>(start);
  range->end = static_cast<std::byte*>(start) + bytes;
}

void removeRange(void* start) {
  const std::lock_guard lock(changingRanges);
  for (Range* range = ranges; range; range = range->next) {
    if (range->start != start) continue;
    range->end = nullptr;
    range->start = nullptr;
    return;
  }
}

// Puts zeros in place of a mapping's pages from that of the address on. The mapping stays while the thread that needs
// the page waits here; other places may change meanwhile, so that one counts only if its start is the same before and
// after its end was read.
bool replacePages(std::byte* address) {
  for (Range* range = ranges; range; range = range->next) {
    std::byte* const start = range->start;
    std::byte* const end = range->end;
    std::atomic<bool>* const isLost = range->isLost;
    if (!start || address < start || address >= end || range->start != start) continue;
    *isLost = true;
    std::byte* const page = address - reinterpret_cast<uintptr_t>(address) % pageSize();
    return mmap(page, static_cast<size_t>(end - page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0) != MAP_FAILED;
  }
  return false;
}

void onBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool isReplaced = info->si_code == BUS_ADRERR && replacePages(static_cast<std::byte*>(info->si_addr));
  errno = error;
  if (isReplaced) return;
  if (previousAction.sa_flags & SA_SIGINFO) return previousAction.sa_sigaction(signal, info, context);
  if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN)
    return previousAction.sa_handler(signal);
  struct sigaction byDefault = {};
  byDefault.sa_handler = SIG_DFL;
  sigaction(signal, &byDefault, nullptr);
  raise(signal);  // comes when this handler returns
}

bool catchBusErrors() {
  pageSize();  // known before the first signal
  struct sigaction action = {};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  return sigaction(SIGBUS, &action, &previousAction) == 0;
}

[[noreturn]] void failed() {
  throw std::runtime_error(std::string("could not map the file into memory: ") + std::strerror(errno) + ".");
}

// None if the system can't say, as of a file on a server that is gone. fstat has no version that older C libraries
// have.
std::optional<FileState> stateIfKnown(int fd) {
  struct statx found;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_SIZE | STATX_MTIME, &found) != 0) return std::nullopt;
  return FileState{.device = uint64_t{found.stx_dev_major} << 32 | found.stx_dev_minor,
                   .inode = found.stx_ino,
                   .size = found.stx_size,
                   .seconds = found.stx_mtime.tv_sec,
                   .nanoseconds = found.stx_mtime.tv_nsec};
}

FileState stateOf(int fd) {
  const auto state = stateIfKnown(fd);
  if (!state) failed();
  return *state;
}

}  // namespace

MappedFile::MappedFile(int fd, std::string path)
    : path_(std::move(path)), opened_(stateOf(fd)), fd_(fcntl(fd, F_DUPFD_CLOEXEC, 0)) {
  if (fd_ < 0) failed();
}

MappedFile::~MappedFile() {
  if (fd_ >= 0) close(fd_);
}

bool MappedFile::isOf(int fd) const { return stateIfKnown(fd) == opened_; }

void* MappedFile::map(off_t offset, size_t bytes) {
  [[maybe_unused]] static const bool areCaught = catchBusErrors();
  const std::lock_guard lock(mutex_);
  void* start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd_, offset);
  if (start == MAP_FAILED) failed();
  if (stateOf(fd_).size < static_cast<uint64_t>(offset) + bytes) {
    munmap(start, bytes);
    throw std::runtime_error("the file ends before the tensor does.");
  }
  addRange(start, bytes, isLost_);
  ++mappings_;
  return start;
}

void MappedFile::unmap(void* start, size_t bytes) {
  const std::lock_guard lock(mutex_);
  removeRange(start);
  munmap(start, bytes);
  if (--mappings_ > 0) return;
  look();
  close(std::exchange(fd_, -1));
}

void MappedFile::look() {
  if (fd_ >= 0 && !isChanged_) isChanged_ = stateIfKnown(fd_) != opened_;
}

bool MappedFile::isMapped() {
  const std::lock_guard lock(mutex_);
  return mappings_ > 0;
}

std::string MappedFile::fault() {
  const std::lock_guard lock(mutex_);
  look();
  if (isChanged_)
    return path_ +
           " was changed while it was in use, so that results may be wrong: run the command again, and replace such a "
           "file by moving another over it (mv), not by writing to it.";
  if (isLost_) return path_ + " could not be read while it was in use: check the disk, then run the command again.";
  return "";
}

std::shared_ptr<MappedFile> MappedFiles::of(int fd, const std::string& path) {
  for (const Entry& entry : entries_)
    if (entry.file->isMapped() && entry.file->isOf(fd)) return entry.file;
  return entries_.emplace_back(Entry{.file = std::make_shared<MappedFile>(fd, path)}).file;
}

void MappedFiles::check() {
  std::string first;
  std::erase_if(entries_, [&first](Entry& entry) {
    const bool isOver = !entry.file->isMapped();
    const std::string fault = entry.file->fault();
    if (first.empty() && !(isOver && entry.isReported)) {
      first = fault;
      entry.isReported = true;
    }
    return isOver && (fault.empty() || entry.isReported);
  });
  if (!first.empty()) throw FileChanged(first);
}

}  // namespace bidora
