// Records the differentiable calls of a forward pass, in order, to compute tangents. A tensor is identified by its
// place on the tape.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/function.h>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace bidora {

class RecordedPart;

class Tape {
 public:
  static constexpr int32_t kNone = -1;

  // A tensor's place, a list of places, or a value.
  struct Argument {
    std::vector<int32_t> places;
    bool isTensor, isList;
    c10::IValue value;
  };
  struct Entry {
    uint32_t op;  // in the table of operators
    std::vector<Argument> arguments;
    std::vector<int32_t> results;
    bool isDifferentiated;                     // whether grad mode was enabled
    std::shared_ptr<const RecordedPart> part;  // several calls, recorded as one entry
  };

  void add(uint32_t op, const std::vector<c10::IValue>& arguments, const std::vector<c10::IValue>& results);

  void addPart(std::shared_ptr<const RecordedPart> part, const std::vector<at::Tensor>& inputs,
               const std::vector<at::Tensor>& outputs);

  // kNone for a tensor that is not on it.
  int32_t find(const at::Tensor& tensor) const;

  // Releases all tensors except the kept ones. Of the autograd graph, keeps only the edges to the watched tensors.
  void prune(const std::vector<int32_t>& kept, const std::vector<int32_t>& watched);

  void drop(int32_t place) { tensors_.at(place) = at::Tensor(); }

  // The edges to the watched tensors. To be called once.
  std::vector<torch::autograd::Edge> takeEdges() { return std::move(edges_); }

  // The arguments of an entry, with its tensors replaced in order.
  std::vector<c10::IValue> stackOf(size_t entry, std::vector<at::Tensor> tensors) const;

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return tensors_.size(); }
  // The tensor, undefined if it was released.
  const at::Tensor& tensor(size_t place) const { return tensors_.at(place); }

 private:
  int32_t placeOf(const at::Tensor& tensor);
  Argument argumentOf(const c10::IValue& value);

  std::vector<Entry> entries_;
  std::vector<at::Tensor> tensors_;
  std::unordered_map<const void*, int32_t> places_;
  std::vector<torch::autograd::Edge> edges_;
};

// The edge of the graph that leads to a tensor, as torch::autograd::grad finds it.
torch::autograd::Edge edgeTo(const at::Tensor& tensor);

// For each of these entries of a tape, the tensors that are neither kept nor read or made by a later one of them.
std::vector<std::vector<int32_t>> lastUses(const Tape& tape, const std::vector<size_t>& entries,
                                           const std::vector<int32_t>& kept);

// The places of the tensors among a call's arguments, in order.
std::vector<int32_t> placesOf(const Tape::Entry& entry);

// The tensors among a call's results, in the order of `Tape::Entry::results`.
std::vector<at::Tensor> tensorsOf(const std::vector<c10::IValue>& results);

// Whether any of the results requires a gradient.
bool isDifferentiable(const std::vector<c10::IValue>& results);

}  // namespace bidora
