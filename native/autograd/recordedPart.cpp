#include "recordedPart.h"

#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace bidora {
namespace {

void refuse(const Operator& op, const char* reason) {
  throw std::invalid_argument("gradient checkpointing cannot repeat " + op.name + ", which " + reason +
                              ": do not checkpoint this part.");
}

void checkIsRepeatable(const Operator& op) {
  for (const bool isAliased : op.aliased)
    if (isAliased) refuse(op, "writes to its arguments");
  if (op.handle.hasTag(at::Tag::nondeterministic_seeded)) refuse(op, "draws random numbers");
}

}  // namespace

RecordedPart::RecordedPart(Tape&& calls, OperatorTable& operators, const std::vector<at::Tensor>& outputs)
    : calls_(std::move(calls)) {
  std::vector<bool> isMade(calls_.size()), isNeeded(calls_.size());
  for (const Tape::Entry& entry : calls_.entries()) {
    checkIsRepeatable(operators.at(entry.op));
    for (const int32_t place : entry.results)
      if (place != Tape::kNone) isMade[place] = true;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int32_t place = calls_.find(outputs[i]);
    if (place == Tape::kNone || !isMade[place] || !outputs[i].requires_grad()) continue;
    made_.push_back(i);
    outputPlaces_.push_back(place);
    isNeeded[place] = true;
  }
  const auto& entries = calls_.entries();
  std::vector<bool> isKept(entries.size());
  for (size_t e = entries.size(); e-- > 0;) {
    for (const int32_t place : entries[e].results) isKept[e] = isKept[e] || (place != Tape::kNone && isNeeded[place]);
    if (!isKept[e]) continue;
    for (const int32_t place : placesOf(entries[e])) isNeeded[place] = true;
  }
  findSteps(operators, isKept);
  findUses();
  findLastUses();
  calls_.prune({}, {});
}

void RecordedPart::findSteps(OperatorTable& operators, const std::vector<bool>& isKept) {
  for (size_t e = 0; e < isKept.size(); ++e) {
    const Tape::Entry& entry = calls_.entries()[e];
    if (isKept[e]) steps_.push_back({e, operators.at(entry.op).handle, placesOf(entry), {}, {}});
  }
}

// An input is a tensor that is read but was not returned by an earlier call.
void RecordedPart::findUses() {
  std::vector<bool> isGiven(calls_.size());
  std::vector<size_t> inputAt(calls_.size(), kNoUse);
  for (Step& step : steps_) {
    for (const int32_t place : step.reads) {
      step.uses.push_back(isGiven[place] ? kNoUse : uses_.size());
      if (isGiven[place]) continue;
      if (inputAt[place] == kNoUse) {
        inputAt[place] = inputs_.size();
        inputs_.push_back(calls_.tensor(place));
      }
      uses_.push_back(inputAt[place]);
    }
    for (const int32_t place : calls_.entries()[step.entry].results)
      if (place != Tape::kNone) isGiven[place] = true;
  }
  for (size_t s = steps_.size(); s-- > 0;)
    for (const size_t use : steps_[s].uses)
      if (use != kNoUse) backwardUses_.push_back(use);
}

void RecordedPart::findLastUses() {
  std::vector<size_t> entries;
  entries.reserve(steps_.size());
  for (const Step& step : steps_) entries.push_back(step.entry);
  const auto uses = lastUses(calls_, entries, outputPlaces_);
  for (size_t s = 0; s < steps_.size(); ++s) steps_[s].lastUses = uses[s];
}

std::vector<at::Tensor> RecordedPart::run(const std::vector<at::Tensor>& used, Tape* tape) const {
  std::vector<at::Tensor> tensors(calls_.size());
  for (const Step& step : steps_) {
    const Tape::Entry& entry = calls_.entries()[step.entry];
    std::vector<at::Tensor> read;
    read.reserve(step.reads.size());
    for (size_t i = 0; i < step.reads.size(); ++i)
      read.push_back(step.uses[i] == kNoUse ? tensors[step.reads[i]] : used.at(step.uses[i]));
    std::vector<c10::IValue> stack = calls_.stackOf(step.entry, std::move(read));
    const at::AutoGradMode mode(entry.isDifferentiated && at::GradMode::is_enabled());
    std::vector<c10::IValue> arguments;
    if (tape) arguments = stack;
    step.handle.callBoxed(&stack);
    if (tape && isDifferentiable(stack)) tape->add(entry.op, arguments, stack);
    const std::vector<at::Tensor> results = tensorsOf(stack);
    for (size_t i = 0; i < results.size(); ++i)
      if (entry.results[i] != Tape::kNone) tensors[entry.results[i]] = results[i];
    for (const int32_t place : step.lastUses) tensors[place] = at::Tensor();
  }
  std::vector<at::Tensor> outputs;
  outputs.reserve(outputPlaces_.size());
  for (const int32_t place : outputPlaces_) outputs.push_back(tensors[place]);
  return outputs;
}

}  // namespace bidora
