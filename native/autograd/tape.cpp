#include "tape.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <stdexcept>

#include "recordedPart.h"

namespace bidora {

int32_t Tape::placeOf(const at::Tensor& tensor) {
  if (!tensor.defined()) return kNone;
  const auto [found, isNew] = places_.try_emplace(tensor.unsafeGetTensorImpl(), static_cast<int32_t>(tensors_.size()));
  if (isNew) tensors_.push_back(tensor);
  return found->second;
}

Tape::Argument Tape::argumentOf(const c10::IValue& value) {
  if (value.isTensor()) return {{placeOf(value.toTensor())}, true, false, {}};
  const bool isTensors = value.isTensorList() || (value.isList() && !value.toListRef().empty() &&
                                                  (value.toListRef()[0].isTensor() || value.toListRef()[0].isNone()));
  if (!isTensors) return {{}, false, false, value};
  Argument list{{}, true, true, value.isTensorList() ? c10::IValue(true) : c10::IValue()};
  const auto items = value.toList();
  for (size_t i = 0; i < items.size(); ++i) {
    const c10::IValue& item = items.get(i);
    list.places.push_back(item.isTensor() ? placeOf(item.toTensor()) : kNone);
  }
  return list;
}

void Tape::add(uint32_t op, const std::vector<c10::IValue>& arguments, const std::vector<c10::IValue>& results) {
  Entry entry{op, {}, {}, at::GradMode::is_enabled(), nullptr};
  for (const auto& value : arguments) entry.arguments.push_back(argumentOf(value));
  for (const auto& value : results) {
    const Argument result = argumentOf(value);
    if (result.isTensor) entry.results.insert(entry.results.end(), result.places.begin(), result.places.end());
  }
  entries_.push_back(std::move(entry));
}

void Tape::addPart(std::shared_ptr<const RecordedPart> part, const std::vector<at::Tensor>& inputs,
                   const std::vector<at::Tensor>& outputs) {
  Entry entry{0, {{{}, true, true, c10::IValue(true)}}, {}, true, std::move(part)};
  for (const at::Tensor& input : inputs) entry.arguments[0].places.push_back(placeOf(input));
  for (const at::Tensor& output : outputs) entry.results.push_back(placeOf(output));
  entries_.push_back(std::move(entry));
}

int32_t Tape::find(const at::Tensor& tensor) const {
  const auto found = places_.find(tensor.unsafeGetTensorImpl());
  return found == places_.end() ? kNone : found->second;
}

namespace {

// The edge of a tensor that nothing was computed from.
torch::autograd::Edge edgeFromNowhere() {
  return torch::autograd::impl::gradient_edge(at::empty({0}).requires_grad_(true));
}

}  // namespace

torch::autograd::Edge edgeTo(const at::Tensor& tensor) {
  auto function = tensor.grad_fn();
  if (!function) function = torch::autograd::impl::try_get_grad_accumulator(tensor);
  if (!function) return edgeFromNowhere();
  return {function, static_cast<uint32_t>(tensor.output_nr())};
}

void Tape::prune(const std::vector<int32_t>& kept, const std::vector<int32_t>& watched) {
  for (const int32_t place : watched) edges_.push_back(edgeTo(tensors_.at(place)));
  std::vector<at::Tensor> left(tensors_.size());
  for (const int32_t place : kept) left.at(place) = tensors_.at(place).detach();
  tensors_ = std::move(left);
  places_.clear();
}

std::vector<c10::IValue> Tape::stackOf(size_t entry, std::vector<at::Tensor> tensors) const {
  std::vector<c10::IValue> stack;
  stack.reserve(entries_.at(entry).arguments.size());
  size_t next = 0;
  const auto take = [&](int32_t place) {
    if (place == kNone) return at::Tensor();
    if (next == tensors.size()) throw std::invalid_argument("expected a replacement for each of the call's tensors.");
    return std::move(tensors[next++]);
  };
  for (const Argument& argument : entries_.at(entry).arguments) {
    if (!argument.isTensor) stack.push_back(argument.value);
    else if (!argument.isList) stack.emplace_back(take(argument.places[0]));
    else if (argument.value.isNone()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const int32_t place : argument.places) {
        const at::Tensor tensor = take(place);
        list.push_back(tensor.defined() ? std::optional(tensor) : std::nullopt);
      }
      stack.emplace_back(std::move(list));
    } else {
      std::vector<at::Tensor> list;
      list.reserve(argument.places.size());
      for (const int32_t place : argument.places) list.push_back(take(place));
      stack.emplace_back(std::move(list));
    }
  }
  return stack;
}

std::vector<int32_t> placesOf(const Tape::Entry& entry) {
  std::vector<int32_t> places;
  for (const Tape::Argument& argument : entry.arguments)
    for (const int32_t place : argument.places)
      if (place != Tape::kNone) places.push_back(place);
  return places;
}

std::vector<at::Tensor> tensorsOf(const std::vector<c10::IValue>& results) {
  std::vector<at::Tensor> tensors;
  for (const c10::IValue& result : results) {
    if (result.isTensor()) tensors.push_back(result.toTensor());
    if (!result.isTensorList()) continue;
    for (const at::Tensor& tensor : result.toTensorVector()) tensors.push_back(tensor);
  }
  return tensors;
}

std::vector<std::vector<int32_t>> lastUses(const Tape& tape, const std::vector<size_t>& entries,
                                           const std::vector<int32_t>& kept) {
  std::vector<std::vector<int32_t>> uses(entries.size());
  std::vector<bool> isUsedLater(tape.size());
  for (const int32_t place : kept) isUsedLater[place] = true;
  for (size_t i = entries.size(); i-- > 0;) {
    const Tape::Entry& entry = tape.entries()[entries[i]];
    const auto note = [&](int32_t place) {
      if (place == Tape::kNone || isUsedLater[place]) return;
      isUsedLater[place] = true;
      uses[i].push_back(place);
    };
    for (const int32_t place : entry.results) note(place);
    for (const int32_t place : placesOf(entry)) note(place);
  }
  return uses;
}

bool isDifferentiable(const std::vector<c10::IValue>& results) {
  for (const auto& value : results) {
    if (value.isTensor() && value.toTensor().defined() && value.toTensor().requires_grad()) return true;
    if (value.isTensorList())
      for (const at::Tensor& tensor : value.toTensorVector())
        if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

}  // namespace bidora
