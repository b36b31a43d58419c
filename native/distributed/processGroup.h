// A group of processes that compute together: c10d's process group (Gloo), and the store by which they found each
// other.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace bidora {

struct GroupOptions {
  std::string host;  // of the store
  uint16_t port;
  int rank, size;
  bool servesStore;
  std::string prefix;  // of this group's keys in the store
  std::chrono::milliseconds timeout;
  std::chrono::milliseconds joinTimeout;  // in which all processes must come together
};

class GroupSum;

class ProcessGroup {
 public:
  // Whether this libtorch has Gloo.
  static bool isAvailable();
  // Begins to wait for all processes, in a thread of its own. Until `isJoined`, nothing else may be called.
  static std::shared_ptr<ProcessGroup> join(const GroupOptions& options);

  ProcessGroup();
  virtual ~ProcessGroup();
  // Whether all processes have come together. Throws if they can't.
  virtual bool isJoined() = 0;
  // Adds up a tensor over all ranks, in place, in the background. Sums finish in the order in which they were started.
  virtual void startSum(at::Tensor tensor) = 0;
  // Waits for all sums that were started.
  virtual void finish() = 0;
  // The tensors of all ranks, which have the same shape.
  virtual std::vector<at::Tensor> gather(at::Tensor tensor) = 0;
  // Breaks the connections to the other ranks; only the store is left.
  virtual void close() = 0;
  virtual void put(const std::string& key, const std::string& value) = 0;
  // The value of a key that a rank has put; empty if none has, or if the store does not answer within a second.
  virtual std::string look(const std::string& key) = 0;

  std::unique_ptr<GroupSum> sum;  // that was started and not finished
};

}  // namespace bidora
