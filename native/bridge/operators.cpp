#include "operators.h"

#include <stdexcept>

namespace bidora {
namespace {

Parameter parameterOf(const c10::Argument& argument) {
  const c10::TypePtr& type = argument.real_type();
  if (const auto optional = type->cast<c10::OptionalType>()) return {optional->getElementType(), true};
  return {type, false};
}

bool isAliased(const c10::Argument& result) { return result.alias_info() && result.alias_info()->isWrite(); }

Operator resolve(const std::string& name) {
  Operator op{name, findOperator(name), {}, {}};
  for (const auto& argument : op.handle.schema().arguments()) op.parameters.push_back(parameterOf(argument));
  for (const auto& result : op.handle.schema().returns()) op.aliased.push_back(isAliased(result));
  return op;
}

}  // namespace

c10::OperatorHandle findOperator(const std::string& name) {
  const size_t dot = name.find('.');
  const std::string base = name.substr(0, dot);
  const std::string overload = dot == std::string::npos ? "" : name.substr(dot + 1);
  const auto handle = c10::Dispatcher::singleton().findSchema({base, overload});
  if (!handle) throw std::runtime_error("this libtorch has no operator " + name + ".");
  return *handle;
}

size_t OperatorTable::declare(std::vector<std::string> names) {
  const size_t first = operators_.size();
  for (std::string& name : names) operators_.push_back({std::move(name), std::nullopt});
  return first;
}

const Operator& OperatorTable::at(size_t index) {
  if (index >= operators_.size())
    throw std::invalid_argument("operator " + std::to_string(index) + " is not declared.");
  auto& [name, found] = operators_[index];
  if (!found) found = resolve(name);
  return *found;
}

}  // namespace bidora
