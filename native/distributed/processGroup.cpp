#include "processGroup.h"

#include <stdexcept>

#include "groupSum.h"

#ifdef BIDORA_GLOO
#define USE_C10D_GLOO
#include <arpa/inet.h>
#include <c10/util/Logging.h>
#include <sys/socket.h>
#include <unistd.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>
#endif

namespace bidora {

ProcessGroup::ProcessGroup() = default;
ProcessGroup::~ProcessGroup() = default;

#ifdef BIDORA_GLOO

namespace {

bool isLoopback(const std::string& host) { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

// A socket that only this machine can connect to; a store's own socket would listen to the network.
int listenOnLoopback(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(socket, SOMAXCONN) == 0)
    return socket;
  const std::string reason = std::strerror(errno);
  ::close(socket);
  throw std::runtime_error("port " + std::to_string(port) + " of this machine cannot be used: " + reason);
}

c10::intrusive_ptr<c10d::Store> openStore(const GroupOptions& group, bool usesLibuv) {
  c10d::TCPStoreOptions options;
  options.port = group.port;
  options.isServer = group.servesStore;
  options.numWorkers = group.size;
  options.waitWorkers = false;  // Gloo waits for the others
  options.timeout = group.joinTimeout;
  options.useLibUV = usesLibuv;
  if (group.servesStore && isLoopback(group.host)) options.masterListenFd = listenOnLoopback(group.port);
  try {
    return c10::make_intrusive<c10d::PrefixStore>(group.prefix,
                                                  c10::make_intrusive<c10d::TCPStore>(group.host, options));
  } catch (...) {
    if (options.masterListenFd) ::close(*options.masterListenFd);
    throw;
  }
}

// With libuv if libtorch has it, as torch; both speak the same protocol.
c10::intrusive_ptr<c10d::Store> openStore(const GroupOptions& group) {
  try {
    return openStore(group, true);
  } catch (const c10::Error& error) {
    if (std::string(error.what()).find("libuv") == std::string::npos) throw;
    return openStore(group, false);
  }
}

c10::intrusive_ptr<c10d::ProcessGroupGloo> openGloo(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const GroupOptions& group) {
  auto options = c10d::ProcessGroupGloo::Options::create(group.timeout);
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface) options->devices = {c10d::ProcessGroupGloo::createDeviceForInterface(interface)};
  else if (isLoopback(group.host)) options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")};
  else options->devices = {c10d::ProcessGroupGloo::createDefaultDevice()};
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, group.rank, group.size, options);
}

constexpr std::chrono::seconds kStoreAnswers{1};

// What a thread of its own computes: the store's client waits without limit for a server that has been stopped. Nobody
// waits for the thread, so `body` must own all that it uses.
template <typename F>
auto inBackground(F body) {
  std::packaged_task<std::invoke_result_t<F>()> task(std::move(body));
  auto result = task.get_future();
  std::thread(std::move(task)).detach();
  return result;
}

struct Connection {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

Connection connect(const GroupOptions& options) {
  const auto store = openStore(options);
  return {store, openGloo(store, options)};
}

class GlooGroup : public ProcessGroup {
 public:
  explicit GlooGroup(const GroupOptions& options)
      : size_(options.size), joining_(inBackground([options] { return connect(options); })) {}

  bool isJoined() override {
    if (!joining_.valid()) return true;
    if (joining_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return false;
    Connection connection = joining_.get();
    store_ = std::move(connection.store);
    gloo_ = std::move(connection.gloo);
    return true;
  }

  void startSum(at::Tensor tensor) override {
    std::vector<at::Tensor> tensors{std::move(tensor)};
    started_.push_back(gloo_->allreduce(tensors));
  }

  void finish() override {
    const auto started = std::exchange(started_, {});
    for (const auto& work : started) work->wait();
  }

  std::vector<at::Tensor> gather(at::Tensor tensor) override {
    std::vector<std::vector<at::Tensor>> all(1);
    for (int rank = 0; rank < size_; ++rank) all[0].push_back(at::empty_like(tensor));
    std::vector<at::Tensor> own{std::move(tensor)};
    gloo_->allgather(all, own)->wait();
    return all[0];
  }

  void close() override {
    started_.clear();
    gloo_.reset();
  }

  void put(const std::string& key, const std::string& value) override {
    ask([store = store_, key, value] {
      store->set(key, value);
      return std::string();
    });
  }

  std::string look(const std::string& key) override {
    return ask([store = store_, key] { return store->check({key}) ? store->get_to_str(key) : std::string(); });
  }

 private:
  // What the store answers; nothing if it does not. A store that was late once is not asked again.
  template <typename F>
  std::string ask(F question) {
    if (!answers_) return "";
    auto answer = inBackground(std::move(question));
    answers_ = answer.wait_for(kStoreAnswers) == std::future_status::ready;
    try {
      return answers_ ? answer.get() : "";
    } catch (const std::exception&) {
      return "";
    }
  }

  int size_;
  std::future<Connection> joining_;
  bool answers_ = true;
  c10::intrusive_ptr<c10d::Store> store_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
  std::vector<c10::intrusive_ptr<c10d::Work>> started_;
};

}  // namespace

bool ProcessGroup::isAvailable() { return true; }

std::shared_ptr<ProcessGroup> ProcessGroup::join(const GroupOptions& options) {
  c10::initLogging();  // reads TORCH_CPP_LOG_LEVEL
  return std::make_shared<GlooGroup>(options);
}

#else

bool ProcessGroup::isAvailable() { return false; }

std::shared_ptr<ProcessGroup> ProcessGroup::join(const GroupOptions&) {
  throw std::runtime_error("this libtorch was built without Gloo.");
}

#endif

}  // namespace bidora
