#include "values.h"

#include <ATen/core/List.h>
#include <c10/core/Device.h>
#include <c10/core/MemoryFormat.h>

#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "environment.h"

namespace bidora {
namespace {

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kDtypes{{
    {"float32", at::kFloat},
    {"bfloat16", at::kBFloat16},
    {"float64", at::kDouble},
    {"float16", at::kHalf},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"int16", at::kShort},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"bool", at::kBool},
}};

constexpr double kMaxSafeInteger = 9007199254740991.0;

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type;
}

[[noreturn]] void expected(const char* what) { throw std::invalid_argument(std::string("expected ") + what + "."); }

double toDouble(napi_env env, napi_value value) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) expected("a number");
  return number;
}

bool toBool(napi_env env, napi_value value) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) expected("true or false");
  return flag;
}

std::string toString(napi_env env, napi_value value) {
  if (typeOf(env, value) != napi_string) expected("a string");
  return Napi::String(env, value).Utf8Value();
}

// An integral number becomes an integer scalar, as in Python; libtorch promotes it to the tensor's type.
at::Scalar toScalar(napi_env env, napi_value value) {
  switch (typeOf(env, value)) {
    case napi_boolean: return toBool(env, value);
    case napi_bigint: return toInteger(env, value);
    default: break;
  }
  const double number = toDouble(env, value);
  const bool whole =
      std::trunc(number) == number && std::abs(number) <= kMaxSafeInteger && !(number == 0 && std::signbit(number));
  return whole ? at::Scalar(static_cast<int64_t>(number)) : at::Scalar(number);
}

const at::Tensor& toTensor(Napi::Env env, napi_value value) {
  if (typeOf(env, value) != napi_number) expected("a tensor");
  return environment(env).handles.get<at::Tensor>(toDouble(env, value));
}

template <typename T, typename Read>
std::vector<T> toVector(napi_env env, napi_value value, Read read) {
  bool isArray = false;
  napi_is_array(env, value, &isArray);
  if (!isArray) expected("an array");
  uint32_t length;
  napi_get_array_length(env, value, &length);
  std::vector<T> items;
  items.reserve(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value element;
    if (napi_get_element(env, value, i, &element) != napi_ok) throw Napi::Error::New(env);
    items.push_back(read(element));
  }
  return items;
}

at::MemoryFormat memoryFormat(const std::string& name) {
  if (name == "contiguous") return at::MemoryFormat::Contiguous;
  if (name == "preserve") return at::MemoryFormat::Preserve;
  if (name == "channels_last") return at::MemoryFormat::ChannelsLast;
  throw std::invalid_argument("expected a memory format (contiguous, preserve, channels_last), got " + name + ".");
}

template <typename T, typename Read>
c10::IValue toOptionalList(napi_env env, napi_value value, Read read) {
  c10::List<std::optional<T>> list;
  for (const napi_value item : toVector<napi_value>(env, value, [](napi_value v) { return v; })) {
    const napi_valuetype given = typeOf(env, item);
    list.push_back(given == napi_null || given == napi_undefined ? std::nullopt : std::optional<T>(read(item)));
  }
  return list;
}

c10::IValue toList(Napi::Env env, napi_value value, const c10::TypePtr& element) {
  switch (element->kind()) {
    case c10::TypeKind::TensorType:
      return toVector<at::Tensor>(env, value, [&](napi_value v) { return toTensor(env, v); });
    case c10::TypeKind::OptionalType:
      if (element->expectRef<c10::OptionalType>().getElementType()->kind() == c10::TypeKind::TensorType)
        return toOptionalList<at::Tensor>(env, value, [&](napi_value v) { return toTensor(env, v); });
      if (element->expectRef<c10::OptionalType>().getElementType()->kind() == c10::TypeKind::NumberType)
        return toOptionalList<at::Scalar>(env, value, [&](napi_value v) { return toScalar(env, v); });
      break;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      if (typeOf(env, value) == napi_number) return std::vector<int64_t>{toInteger(env, value)};
      return toVector<int64_t>(env, value, [&](napi_value v) { return toInteger(env, v); });
    case c10::TypeKind::FloatType: return toVector<double>(env, value, [&](napi_value v) { return toDouble(env, v); });
    case c10::TypeKind::BoolType: {
      c10::List<bool> list;
      for (const bool flag : toVector<bool>(env, value, [&](napi_value v) { return toBool(env, v); }))
        list.push_back(flag);
      return list;
    }
    case c10::TypeKind::StringType: {
      c10::List<std::string> list;
      for (auto& text : toVector<std::string>(env, value, [&](napi_value v) { return toString(env, v); }))
        list.push_back(text);
      return list;
    }
    case c10::TypeKind::NumberType: {
      c10::List<at::Scalar> list;
      for (auto& scalar : toVector<at::Scalar>(env, value, [&](napi_value v) { return toScalar(env, v); }))
        list.push_back(scalar);
      return list;
    }
    default: break;
  }
  throw std::invalid_argument("lists of " + element->str() + " are not bridged.");
}

}  // namespace

int64_t toInteger(napi_env env, napi_value value) {
  if (typeOf(env, value) == napi_bigint) {
    int64_t integer;
    bool lossless;
    napi_get_value_bigint_int64(env, value, &integer, &lossless);
    if (!lossless) expected("an integer of at most 64 bits");
    return integer;
  }
  const double number = toDouble(env, value);
  if (std::trunc(number) != number || std::abs(number) > kMaxSafeInteger) expected("a whole number");
  return static_cast<int64_t>(number);
}

at::ScalarType dtypeFromName(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes)
    if (name == known) return dtype;
  throw std::invalid_argument("expected a dtype such as float32, bfloat16 or int64, got " + name + ".");
}

const char* dtypeName(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes)
    if (dtype == known) return name;
  throw std::invalid_argument(std::string("tensors of dtype ") + c10::toString(dtype) + " are not bridged.");
}

c10::IValue toIValue(Napi::Env env, napi_value value, const Parameter& parameter) {
  const napi_valuetype given = typeOf(env, value);
  if (given == napi_null || given == napi_undefined) {
    if (parameter.optional) return {};
    throw std::invalid_argument("expected " + parameter.type->str() + ", got nothing.");
  }
  switch (parameter.type->kind()) {
    case c10::TypeKind::TensorType: return toTensor(env, value);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return toInteger(env, value);
    case c10::TypeKind::FloatType: return toDouble(env, value);
    case c10::TypeKind::BoolType: return toBool(env, value);
    case c10::TypeKind::NumberType: return toScalar(env, value);
    case c10::TypeKind::StringType: return toString(env, value);
    case c10::TypeKind::ScalarTypeType: return static_cast<int64_t>(dtypeFromName(toString(env, value)));
    case c10::TypeKind::DeviceObjType: return c10::Device(toString(env, value));
    case c10::TypeKind::MemoryFormatType: return static_cast<int64_t>(memoryFormat(toString(env, value)));
    case c10::TypeKind::GeneratorType: return environment(env).handles.get<at::Generator>(toDouble(env, value));
    case c10::TypeKind::ListType:
      return toList(env, value, parameter.type->expectRef<c10::ListType>().getElementType());
    default: throw std::invalid_argument("arguments of type " + parameter.type->str() + " are not bridged.");
  }
}

Napi::Value toJavaScript(Napi::Env env, c10::IValue&& value) {
  if (value.isTensor()) {
    at::Tensor tensor = std::move(value).toTensor();
    return tensor.defined() ? newTensor(env, std::move(tensor)) : env.Null();
  }
  if (value.isNone()) return env.Null();
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isList() || value.isTuple()) {
    const auto items = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
    Napi::Array array = Napi::Array::New(env, items.size());
    for (size_t i = 0; i < items.size(); ++i) array.Set(i, toJavaScript(env, c10::IValue(items[i])));
    return array;
  }
  throw std::invalid_argument("results of type " + value.tagKind() + " are not bridged.");
}

std::vector<int64_t> sizesAt(const Napi::CallbackInfo& info, size_t index) {
  const auto array = info[index].As<Napi::Array>();
  std::vector<int64_t> sizes;
  sizes.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) sizes.push_back(toInteger(info.Env(), array.Get(i)));
  return sizes;
}

at::ScalarType dtypeAt(const Napi::CallbackInfo& info, size_t index) {
  return dtypeFromName(info[index].As<Napi::String>().Utf8Value());
}

}  // namespace bidora
