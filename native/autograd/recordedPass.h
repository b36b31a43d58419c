// A forward pass without gradients as a list of operator calls that can be repeated with other inputs. A pass of few
// tokens is hundreds of short calls, which take longer to make from TypeScript than to compute.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <utility>
#include <vector>

#include "bridge/operators.h"
#include "tape.h"

namespace bidora {

struct Call;

// The calls of a pass while it is recorded.
struct PassRecording {
  Tape calls;
  bool isRepeatable = true;  // whether all its tensors come from calls, and nothing reads their values
};

class RecordedPass {
 public:
  // Keeps the calls, but no tensors: those that are neither inputs nor results must still exist when it runs. Throws
  // std::invalid_argument for calls that might return something else when repeated.
  RecordedPass(Tape&& calls, OperatorTable& operators, const std::vector<at::Tensor>& inputs, const at::Tensor& output);

  // Repeats the calls below autograd, and returns the output. Nothing if the inputs have other shapes, dtypes or
  // devices than the recorded ones, or if a tensor no longer exists. `call` is the one in flight.
  std::optional<at::Tensor> run(const std::vector<at::Tensor>& inputs, Call& call) const;

 private:
  using Weak = c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>;

  struct Input {
    int32_t place;
    size_t first;  // the index of the first input that is the same tensor
    std::vector<int64_t> sizes;
    at::ScalarType dtype;
    at::Device device;
  };
  struct Step {
    const Operator* op;
    std::vector<int32_t> reads;
    std::vector<int32_t> lastReads;  // tensors that no later step reads
  };

  void findInputs(const std::vector<at::Tensor>& inputs);
  void findSteps(OperatorTable& operators);
  void findLastReads();
  bool takes(const std::vector<at::Tensor>& inputs) const;

  Tape calls_;
  std::vector<Input> inputs_;
  std::vector<std::pair<int32_t, Weak>> constants_;
  std::vector<Step> steps_;
  int32_t output_;
};

}  // namespace bidora
