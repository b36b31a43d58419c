// This environment's operators, looked up by name in libtorch's dispatcher at their first call.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace bidora {

// How to read an argument from JavaScript; derived once from the schema.
struct Parameter {
  c10::TypePtr type;  // the schema's real type, without an enclosing optional
  bool optional;
};

struct Operator {
  std::string name;  // "aten::add.Tensor"
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  std::vector<bool> aliased;  // for each result, whether the caller already has it (in-place and out variants)
};

class OperatorTable {
 public:
  // Returns the index of the first. Each loaded copy of the TypeScript declares its own list.
  size_t declare(std::vector<std::string> names);

  // Throws std::runtime_error if libtorch has no such operator.
  const Operator& at(size_t index);

 private:
  struct Declared {
    std::string name;
    std::optional<Operator> found;
  };
  std::deque<Declared> operators_;  // a deque, as references to its elements must stay valid
};

// Throws std::runtime_error if libtorch has no such operator.
c10::OperatorHandle findOperator(const std::string& name);

}  // namespace bidora
