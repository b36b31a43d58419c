#include "guard.h"

#include <c10/util/Exception.h>

#include <sstream>
#include <string_view>

#include "environment.h"

namespace bidora {
namespace {

// Describes an argument in an error message: "[4, 8] Float", "2", "None".
std::string textOf(const c10::IValue& value) {
  std::ostringstream out;
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined()) return "undefined";
    out << tensor.sizes() << ' ' << tensor.scalar_type();
  } else if (value.isTensorList()) {
    const auto tensors = value.toTensorVector();
    out << '(';
    for (size_t i = 0; i < tensors.size(); ++i) out << (i ? ", " : "") << tensors[i].sizes();
    out << ')';
  } else {
    out << value;
  }
  return out.str();
}

std::string describeArguments(const std::vector<c10::IValue>& values) {
  std::string text;
  for (const c10::IValue& value : values) text += (text.empty() ? "" : ", ") + textOf(value);
  return text;
}

[[noreturn]] void throwMade(Napi::Env env, const std::string& message, std::vector<napi_value> details) {
  const Napi::FunctionReference& makeError = environment(env).makeError;
  if (makeError.IsEmpty()) throw Napi::Error::New(env, message);
  details.insert(details.begin(), Napi::String::New(env, message));
  throw Napi::Error(env, makeError.Call(details));
}

[[noreturn]] void throwError(Napi::Env env, const std::string& message) {
  const Environment& state = environment(env);
  std::string name, schema, shapes;
  if (state.call && state.call->op) {
    name = state.call->op->name;
    schema = c10::toString(state.call->op->handle.schema());
    shapes = describeArguments(state.call->stack);
  }
  throwMade(env, message,
            {Napi::String::New(env, name), Napi::String::New(env, schema), Napi::String::New(env, shapes)});
}

// Shortens the dispatcher's page-long message about a missing kernel ("from the 'CUDA' backend") to one sentence.
std::string missingKernel(const std::string& text) {
  constexpr std::string_view kBefore = "from the '";
  const size_t start = text.find(kBefore);
  if (start == std::string::npos) return text;
  const size_t begin = start + kBefore.size();
  return "there is no kernel for " + text.substr(begin, text.find('\'', begin) - begin) +
         " tensors: expected dense tensors on the CPU.";
}

[[noreturn]] void throwCurrent(Napi::Env env) {
  try {
    throw;
  } catch (const Napi::Error&) {
    throw;
  } catch (const c10::NotImplementedError& error) {
    throwError(env, missingKernel(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    throwError(env, error.what_without_backtrace());
  } catch (const FileChanged& change) {
    const Napi::String none = Napi::String::New(env, "");
    throwMade(env, change.what(), {none, none, none, Napi::Boolean::New(env, true)});
  } catch (const std::bad_alloc&) {
    throwError(env, "out of memory.");
  } catch (const std::exception& error) {
    throwError(env, error.what());
  } catch (...) {
    throwError(env, "libtorch threw something that is not an exception.");
  }
}

// What went wrong may follow from a mapped file that changed, whose bytes are then other ones, or zeros.
[[noreturn]] void throwCause(Napi::Env env) {
  try {
    environment(env).mappedFiles.check();
  } catch (const FileChanged&) {
    throwCurrent(env);
  }
  throwCurrent(env);
}

}  // namespace

void throwToJavaScript(Napi::Env env) {
  try {
    throwCause(env);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {  // while describing the first error
    throw Napi::Error::New(env, "libtorch raised an error that could not be described.");
  }
}

}  // namespace bidora
