// A forward pass without gradients as a list of operator calls that can be repeated with other inputs. A pass of few
// tokens is hundreds of short calls, which take longer to make from TypeScript than to compute.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "bridge/operators.h"
#include "tape.h"

namespace bidora {

struct Call;

// The calls of a pass while it is recorded. It keeps no tensors, since a pass may decode each weight for a moment.
class PassRecording {
 public:
  using Weak = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;

  void add(uint32_t op, const std::vector<c10::IValue>& arguments, const std::vector<c10::IValue>& results);

  // The pass depends on the values of a tensor that its calls may not read.
  void dependOn(const at::Tensor& tensor) { sources.emplace_back(tensor.getIntrusivePtr()); }

  bool isRepeatable = true;  // whether all its tensors come from calls, and nothing reads their values
  Tape calls;
  std::vector<Weak> tensors;  // by place; no other tensor gets the address of one that was released
  std::vector<Weak> sources;
};

class RecordedPass {
 public:
  // Keeps the calls, but no tensors: those that are neither inputs nor results must still exist when it runs, and be
  // changed only by the pass. Throws std::invalid_argument for calls that might return something else when repeated.
  RecordedPass(PassRecording&& recording, OperatorTable& operators, const std::vector<at::Tensor>& inputs,
               const at::Tensor& output);

  // Repeats the calls below autograd, and returns the output. Nothing if the inputs have other shapes, dtypes or
  // devices than the recorded ones, or if a tensor no longer exists or was changed. `call` is the one in flight.
  std::optional<at::Tensor> run(const std::vector<at::Tensor>& inputs, Call& call) const;

 private:
  using Weak = PassRecording::Weak;

  struct Input {
    int32_t place;
    size_t first;  // the index of the first input that is the same tensor
    std::vector<int64_t> sizes;
    at::ScalarType dtype;
    at::Device device;
  };
  struct Constant {
    int32_t place;  // kNone if no call reads it
    Weak tensor;
    std::optional<int64_t> version;  // unless the pass itself writes to it
  };
  struct Step {
    const Operator* op;
    std::vector<int32_t> reads;
  };

  void findInputs(const std::vector<at::Tensor>& inputs);
  void findSteps(OperatorTable& operators, const std::vector<Weak>& tensors);
  bool takes(const std::vector<at::Tensor>& inputs) const;

  Tape calls_;
  std::vector<Input> inputs_;
  std::vector<Constant> constants_;
  std::vector<Step> steps_;
  std::vector<std::vector<int32_t>> lastUses_;  // by step
  int32_t output_;
};

}  // namespace bidora
