// Handles, by which JavaScript refers to native objects.
//
// A handle is a JavaScript number that holds a slot's generation above its index in this environment's table.
// Releasing a slot increments its generation, so that a stale or forged handle is an error and never another object.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace bidora {

class ProcessGroup;
class RecordedPass;
class Tape;

struct HandleError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class HandleTable {
 public:
  explicit HandleTable(uint32_t firstGeneration) : firstGeneration_(firstGeneration & kGenerationMask) {}

  template <typename T>
  double add(T object) {
    if (free_.empty()) {
      if (slots_.size() > kIndexMask)
        throw HandleError("more than 16 million live handles: release tensors with a scope or dispose().");
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.push_back({std::monostate{}, firstGeneration_});
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    slots_[index].object = std::move(object);
    ++live_;
    return encode(index, slots_[index].generation);
  }

  // Throws HandleError if the handle was released, never existed, or refers to an object of another type.
  template <typename T>
  T& get(double handle) {
    Slot* slot = find(handle);
    if (!slot) throw HandleError(kReleased);
    T* object = std::get_if<T>(&slot->object);
    if (!object) throw HandleError(std::string("expected a ") + typeName<T>() + ", got a handle of another type.");
    return *object;
  }

  // Releasing twice is harmless: a disposed tensor may still be collected later.
  void release(double handle) {
    Slot* slot = find(handle);
    if (!slot) return;
    slot->object = std::monostate{};
    slot->generation = (slot->generation + 1) & kGenerationMask;
    free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
    --live_;
  }

  size_t live() const { return live_; }

 private:
  static constexpr uint64_t kIndexBits = 24;
  static constexpr uint64_t kIndexMask = (1ULL << kIndexBits) - 1;
  static constexpr uint32_t kGenerationMask = (1U << 29) - 1;
  static constexpr double kHandleEnd = 9007199254740992.0;  // 2^53
  static constexpr const char* kReleased =
      "this tensor was already released: it was disposed of, or its scope has ended (return it from the scope, or "
      "keep() it).";

  struct Slot {
    std::variant<std::monostate, at::Tensor, at::Generator, std::shared_ptr<Tape>, std::shared_ptr<RecordedPass>,
                 std::shared_ptr<ProcessGroup>>
        object;
    uint32_t generation;
  };

  template <typename T>
  static const char* typeName() {
    if (std::is_same_v<T, at::Tensor>) return "tensor";
    if (std::is_same_v<T, at::Generator>) return "generator";
    if (std::is_same_v<T, std::shared_ptr<Tape>>) return "tape";
    return std::is_same_v<T, std::shared_ptr<RecordedPass>> ? "pass" : "process group";
  }

  static double encode(uint64_t index, uint32_t generation) {
    return static_cast<double>((static_cast<uint64_t>(generation) << kIndexBits) | index);
  }

  // The live slot of a handle, or null, as JavaScript may pass any number.
  Slot* find(double handle) {
    if (!(handle >= 0 && handle < kHandleEnd)) return nullptr;
    const uint64_t index = static_cast<uint64_t>(handle) & kIndexMask;
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    const bool isLive =
        encode(index, slot.generation) == handle && !std::holds_alternative<std::monostate>(slot.object);
    return isLive ? &slot : nullptr;
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t firstGeneration_;
  size_t live_ = 0;
};

}  // namespace bidora
