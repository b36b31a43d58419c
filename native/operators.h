// Operators known to this environment: looked up in libtorch's dispatcher by name at their first call.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string>
#include <vector>

namespace bidora {

// How one argument is read from JavaScript, decided once from the schema.
struct Parameter {
  c10::TypePtr type;         // the schema's real type, without the optional around it
  bool optional;
};

struct Operator {
  std::string name;          // "aten::add.Tensor"
  std::optional<c10::OperatorHandle> handle;
  std::vector<Parameter> parameters;
  std::vector<bool> aliased; // for each return: the caller has it already (in-place and out forms)
};

class OperatorTable {
 public:
  void declare(std::vector<std::string> names);
  const Operator& at(size_t index);  // throws std::out_of_range, std::runtime_error when libtorch has no such operator
  size_t size() const { return operators_.size(); }

 private:
  std::vector<Operator> operators_;
};

// Throws std::runtime_error when libtorch has no such operator.
c10::OperatorHandle findOperator(const std::string& name);

}  // namespace bidora
