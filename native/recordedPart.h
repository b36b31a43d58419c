// A part of a forward pass as a list of calls that can be made anew: gradient checkpointing keeps it, and what comes
// into it, in the place of what its gradients need.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "operators.h"
#include "tape.h"

namespace bidora {

class RecordedPart {
 public:
  // Keeps the calls that lead to `outputs`, and no tensor. Throws std::invalid_argument for calls that might give
  // something else when they are made again.
  RecordedPart(Tape&& calls, OperatorTable& operators, const std::vector<at::Tensor>& outputs);

  // What comes into the part, once.
  std::vector<at::Tensor> takeInputs() { return std::move(inputs_); }

  // Of the outputs, those that a call gives.
  const std::vector<size_t>& made() const { return made_; }

  // For each time that a call is given an input, the input's number.
  const std::vector<size_t>& uses() const { return uses_; }
  // The uses in the order in which a backward pass comes to them: the last call first.
  const std::vector<size_t>& backwardUses() const { return backwardUses_; }

  // Makes the calls anew, as they were made, from a tensor for each use, and returns the outputs that calls give. On a
  // tape stand those calls that a gradient flows through.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& used, Tape* tape = nullptr) const;

 private:
  static constexpr size_t kNoUse = SIZE_MAX;

  struct Step {
    size_t entry;
    c10::OperatorHandle handle;
    std::vector<int32_t> reads;
    std::vector<size_t> uses;        // of each read, kNoUse for what a call gave
    std::vector<int32_t> lastReads;  // read by no later step, and no output
  };

  void findSteps(OperatorTable& operators, const std::vector<bool>& isKept);
  void findUses();
  void findLastReads();

  Tape calls_;
  std::vector<Step> steps_;
  std::vector<at::Tensor> inputs_;
  std::vector<int32_t> outputPlaces_;
  std::vector<size_t> made_, uses_, backwardUses_;
};

}  // namespace bidora
