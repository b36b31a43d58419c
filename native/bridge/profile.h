// The time of each operator, from libtorch's record functions, on the thread that started the profile.
#pragma once

#include <ATen/record_function.h>

#include <chrono>
#include <string>
#include <unordered_map>
#include <vector>

namespace bidora {

class Profile {
 public:
  enum class Kind : int32_t { kOperator, kBackward, kRange };

  struct Event {
    int32_t name, shapes;  // indices into strings()
    Kind kind;
    int32_t depth;
    int32_t range;           // index of the innermost open range's event, or -1
    double start, duration;  // microseconds
  };

  explicit Profile(bool withShapes);
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  size_t openOperator(const at::RecordFunction& function);
  void openRange(const std::string& name);
  void closeRange();
  void close(size_t event);

  // Ends all open events.
  void finish();

  const std::vector<Event>& events() const { return events_; }
  const std::vector<std::string>& strings() const { return strings_; }

 private:
  size_t open(const std::string& name, const std::string& shapes, Kind kind, int32_t range);
  int32_t intern(const std::string& text);
  int32_t rangeOf(const at::RecordFunction& function);
  double now() const;

  bool withShapes_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<Event> events_;
  std::vector<size_t> open_;
  std::vector<size_t> openRanges_;
  std::vector<std::string> strings_;
  std::unordered_map<std::string, int32_t> ids_;
  std::unordered_map<int64_t, int32_t> forwardRanges_;  // by autograd's sequence number
  at::CallbackHandle callback_;
};

}  // namespace bidora
