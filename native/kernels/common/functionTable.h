// Declares and looks up a kernel's functions, which are compiled once per ISA variant. A kernel has a struct of
// function pointers (`Functions<T>`, T a tensor's type) in functions.h; its functions.cpp, compiled for each variant,
// fills it in.
#pragma once

#include "kernels/common/types.h"

// The variants, best last. CMakeLists.txt has the compiler options of each.
#ifdef BIDORA_X86_VARIANTS
#define BIDORA_FOR_EACH_VARIANT(use, argument) \
  use(baseline, argument) use(avx2, argument) use(avx512, argument) use(avx512_bf16, argument)
#elif defined(BIDORA_ARM_VARIANTS)
#define BIDORA_FOR_EACH_VARIANT(use, argument) use(neon, argument) use(neon_bf16, argument)
#else
#define BIDORA_FOR_EACH_VARIANT(use, argument) use(baseline, argument)
#endif

namespace bidora {

// A kernel's functions for every tensor type.
template <template <typename> typename Functions>
struct FunctionTable {
  Functions<float> float32;
  Functions<double> float64;
  Functions<Bfloat16> bfloat16;
};

// A kernel's tables of all variants, in the order above; BIDORA_FUNCTIONS defines them.
template <template <typename> typename Functions>
struct TablesOf;

}  // namespace bidora

#define BIDORA_DECLARE_TABLE(variant, Functions)      \
  namespace variant {                                 \
  extern const FunctionTable<Functions> k##Functions; \
  }
#define BIDORA_TABLE_ADDRESS(variant, Functions) &variant::k##Functions,

// To be placed below the struct of function pointers, in namespace bidora.
#define BIDORA_FUNCTIONS(Functions)                                \
  BIDORA_FOR_EACH_VARIANT(BIDORA_DECLARE_TABLE, Functions)         \
  template <>                                                      \
  struct TablesOf<Functions> {                                     \
    static constexpr const FunctionTable<Functions>* kTables[] = { \
        BIDORA_FOR_EACH_VARIANT(BIDORA_TABLE_ADDRESS, Functions)}; \
  };

// To be placed in functions.cpp, in the variant's namespace, with a variable template of the functions for a type, or
// with these functions, templates over the type T.
#define BIDORA_DEFINE_TABLE_OF(Functions, kFunctions) \
  const FunctionTable<Functions> k##Functions{kFunctions<float>, kFunctions<double>, kFunctions<Bfloat16>};
#define BIDORA_DEFINE_TABLE(Functions, ...) \
  namespace {                               \
  template <typename T>                     \
  constexpr Functions<T> kOf{__VA_ARGS__};  \
  }                                         \
  BIDORA_DEFINE_TABLE_OF(Functions, kOf)
