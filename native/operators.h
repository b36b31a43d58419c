// Operators known to this environment: looked up in libtorch's dispatcher by name at their first call.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace bidora {

// How one argument is read from JavaScript; derived once from the schema.
struct Parameter {
  c10::TypePtr type;  // the schema's real type, without the optional around it
  bool optional;
};

struct Operator {
  std::string name;  // "aten::add.Tensor"
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  std::vector<bool> aliased;  // for each return: the caller has it already (in-place and out forms)
};

class OperatorTable {
 public:
  // Returns the index of the first. Each copy of the TypeScript that is loaded declares its own list.
  size_t declare(std::vector<std::string> names);

  // Throws std::runtime_error when libtorch has no such operator.
  const Operator& at(size_t index);

 private:
  struct Declared {
    std::string name;
    std::optional<Operator> found;
  };
  std::deque<Declared> operators_;  // its elements stay where they are
};

// Throws std::runtime_error when libtorch has no such operator.
c10::OperatorHandle findOperator(const std::string& name);

}  // namespace bidora
