// Gradient checkpointing: releases the intermediate results of a part of the forward pass and recomputes them in the
// backward pass (arXiv 1604.06174).
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bridge/environment.h"
#include "bridge/exports.h"
#include "bridge/guard.h"
#include "recordedPart.h"

namespace bidora {
namespace {

using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

// libtorch holds the nodes of its graph by std::shared_ptr, or in newer versions by c10::intrusive_ptr.
using NodePointer = decltype(torch::autograd::Edge::function);

template <typename NodeType, typename... Arguments>
NodePointer makeNode(Arguments&&... arguments) {
  if constexpr (std::is_same_v<NodePointer, std::shared_ptr<torch::autograd::Node>>) {
    return NodePointer(new NodeType(std::forward<Arguments>(arguments)...), [](auto* node) { deleteNode(node); });
  } else {
    return c10::make_intrusive<NodeType>(std::forward<Arguments>(arguments)...);
  }
}

// An input receives one gradient per use, in the order of a backward pass without checkpointing, so that their sums
// are bitwise the same.
class RecomputedPart : public torch::autograd::Node {
 public:
  RecomputedPart(std::shared_ptr<const RecordedPart> part, const std::vector<at::Tensor>& inputs)
      : part_(std::move(part)) {
    for (const at::Tensor& input : inputs) saved_.push_back({SavedVariable(input, false), input.requires_grad()});
    torch::autograd::edge_list edges;
    for (const size_t use : part_->backwardUses()) {
      const at::Tensor& input = inputs[part_->uses()[use]];
      if (!input.requires_grad()) continue;
      usesOfEdges_.push_back(use);
      edges.push_back(torch::autograd::impl::gradient_edge(input));
    }
    set_next_edges(std::move(edges));
  }

  variable_list apply(variable_list&& gradients) override {
    TORCH_CHECK(!at::GradMode::is_enabled(), name(), " has no second derivative: do not checkpoint this part.");
    TORCH_CHECK(!isReleased_, "an earlier backward pass released the graph of this part.");
    std::vector<at::Tensor> used = freshInputs();
    variable_list leaves;
    std::vector<size_t> wanted;
    for (size_t edge = 0; edge < usesOfEdges_.size(); ++edge) {
      if (!task_should_compute_output(edge)) continue;
      leaves.push_back(used[usesOfEdges_[edge]]);
      wanted.push_back(edge);
    }
    variable_list found(usesOfEdges_.size());
    if (leaves.empty()) return found;
    variable_list ends, toEnds, outputs = recompute(used);
    used.clear();
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!gradients[i].defined()) continue;
      ends.push_back(std::move(outputs[i]));
      toEnds.push_back(std::move(gradients[i]));
    }
    if (ends.empty()) return found;
    variable_list ofLeaves = torch::autograd::grad(ends, leaves, toEnds, false, false, true);
    for (size_t i = 0; i < wanted.size(); ++i) found[wanted[i]] = std::move(ofLeaves[i]);
    return found;
  }

  void release_variables() override {
    saved_.clear();
    isReleased_ = true;
  }

  std::string name() const override { return "RecomputedPart"; }

 private:
  // The inputs by use; each use of a differentiable input gets its own leaf.
  std::vector<at::Tensor> freshInputs() const {
    std::vector<at::Tensor> used;
    for (const size_t input : part_->uses()) {
      const at::Tensor tensor = saved_[input].variable.unpack();
      used.push_back(saved_[input].isDifferentiable ? tensor.detach().set_requires_grad(true) : tensor);
    }
    return used;
  }

  variable_list recompute(const std::vector<at::Tensor>& used) const {
    const at::AutoGradMode mode(true);
    return part_->run(used);
  }

  struct Saved {
    SavedVariable variable;
    bool isDifferentiable;
  };

  std::shared_ptr<const RecordedPart> part_;
  std::vector<Saved> saved_;
  std::vector<size_t> usesOfEdges_;
  bool isReleased_ = false;
};

// () => whether a part was started; none is while grad mode is off or within another part.
bool startPart(const Napi::CallbackInfo& info) {
  Environment& state = environment(info.Env());
  const bool isStarted = at::GradMode::is_enabled() && !state.part;
  if (isStarted) state.part = std::make_unique<Tape>();
  return isStarted;
}

// (outputs) => for each output the handle that replaces it, or null to keep it
Napi::Value stopPart(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Environment& state = environment(env);
  if (!state.part) throw std::runtime_error("no part is being recorded.");
  const std::unique_ptr<Tape> calls = std::move(state.part);
  const auto handles = info[0].As<Napi::Array>();
  std::vector<at::Tensor> outputs;
  Napi::Array results = Napi::Array::New(env, handles.Length());
  for (uint32_t i = 0; i < handles.Length(); ++i) {
    results.Set(i, env.Null());
    outputs.push_back(state.handles.get<at::Tensor>(handles.Get(i).As<Napi::Number>().DoubleValue()));
  }
  if (outputs.empty()) return results;
  const auto part = std::make_shared<RecordedPart>(std::move(*calls), state.operators, outputs);
  if (part->made().empty()) return results;
  const std::vector<at::Tensor> inputs = part->takeInputs();
  const NodePointer node = makeNode<RecomputedPart>(part, inputs);
  std::vector<at::Tensor> made;
  for (const size_t i : part->made()) {
    made.push_back(outputs[i].detach());
    torch::autograd::set_history(made.back(), node);
    results.Set(static_cast<uint32_t>(i), newTensor(env, made.back()));
  }
  if (state.tape) state.tape->addPart(part, inputs, made);
  return results;
}

}  // namespace

void exportCheckpoint(Napi::Object exports) {
  defineFunction<startPart>(exports, "startPart");
  defineFunction<stopPart>(exports, "stopPart");
}

}  // namespace bidora
