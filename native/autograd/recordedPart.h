// A part of a forward pass as a list of calls that can be repeated. Gradient checkpointing keeps it and its inputs
// instead of all the tensors that its gradients need.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "bridge/operators.h"
#include "tape.h"

namespace bidora {

class RecordedPart {
 public:
  // Keeps the calls that lead to `outputs`, but no tensors. Throws std::invalid_argument for calls that might return
  // something else when repeated.
  RecordedPart(Tape&& calls, OperatorTable& operators, const std::vector<at::Tensor>& outputs);

  // The part's inputs. To be called once.
  std::vector<at::Tensor> takeInputs() { return std::move(inputs_); }

  // The indices of the outputs that are results of calls.
  const std::vector<size_t>& made() const { return made_; }

  // The input's index, for each use of an input by a call.
  const std::vector<size_t>& uses() const { return uses_; }
  // The uses in the order of a backward pass, the last call first.
  const std::vector<size_t>& backwardUses() const { return backwardUses_; }

  // Repeats the calls with one tensor per use, and returns the outputs that are results of calls. Records the
  // differentiable calls on the tape, if there is one.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& used, Tape* tape = nullptr) const;

 private:
  static constexpr size_t kNoUse = SIZE_MAX;

  struct Step {
    size_t entry;
    c10::OperatorHandle handle;
    std::vector<int32_t> reads;
    std::vector<size_t> uses;       // the use of each read tensor; kNoUse for a call's result
    std::vector<int32_t> lastUses;  // tensors that are neither outputs nor read by a later step
  };

  void findSteps(OperatorTable& operators, const std::vector<bool>& isKept);
  void findUses();
  void findLastUses();

  Tape calls_;
  std::vector<Step> steps_;
  std::vector<at::Tensor> inputs_;
  std::vector<int32_t> outputPlaces_;
  std::vector<size_t> made_, uses_, backwardUses_;
};

}  // namespace bidora
