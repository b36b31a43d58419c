#include "ownProduct.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "functions.h"
#include "kernels/common/operands.h"
#include "kernels/common/processor.h"
#include "kernels/packed/packedWeight.h"
#include "taskShares.h"

namespace bidora {
namespace {

using at::Tensor;

constexpr int64_t kRowsOfChunk = 192;   // rows per task of a panel
constexpr int64_t kRowsToRound = 16;    // rows per thread
constexpr int64_t kGroupsToRound = 2;   // groups of rows per thread
constexpr int64_t kColumnsOfTask = 32;  // columns per task of an outer product
constexpr int64_t kBytesOfThread =
    1 << 17;  // matrix bytes per thread for few rows; reading them takes longer than waking a thread

// With contiguous rows that begin at whole pairs; a packed weight as it is.
Tensor inPairs(const Tensor& matrix) {
  if (!matrix.defined() || packedMatrix(matrix)) return matrix;
  return matrix.stride(1) == 1 && matrix.stride(0) % 2 == 0 ? matrix : matrix.contiguous();
}

template <typename T>
Rows<const Stored<T>> denseRowsOf(const Tensor& matrix) {
  if (packedMatrix(matrix)) return {nullptr, 0};
  return rowsOf<T>(matrix);
}

bool usesTiles(const Tensor& x) { return hasTiles() && x.scalar_type() == at::kBFloat16 && x.size(1) > 0; }

// Splits a panel's rows into enough chunks for all threads. By tiles, many panels are multiplied with all rows at once.
int64_t chunkFor(int64_t rows, int64_t panels, bool usesTiles) {
  const int64_t wanted = (int64_t{4} * at::get_num_threads() + panels - 1) / panels, step = usesTiles ? 32 : 12;
  const int64_t chunk = std::clamp(rows / wanted, int64_t{1}, usesTiles ? rows : kRowsOfChunk);
  return (chunk + step - 1) / step * step;
}

// Whether its rows consist of whole blocks and granules, and its products take their left operand as it is.
bool hasWholeGranules(const PackedMatrix* matrix) {
  if (!matrix || matrix->roundsInputs || matrix->columns == 0) return false;
  const bool isFourBits = matrix->format == PackedFormat::nf4 || matrix->format == PackedFormat::fp4;
  return matrix->columns % (isFourBits ? matrix->block : kGranule) == 0;
}

thread_local bool integerProductsAllowed = false;

bool hasIntegerProduct(const PackedMatrix* weight) {
  return integerProductsAllowed && hasIntegerProducts() && hasWholeGranules(weight);
}

// A product's rows of x rounded to int16 for a format, and their memory.
struct RoundedInput {
  PackedFormat format;
  Tensor memory;
  IntegerRows rows;

  explicit RoundedInput(const FrozenProduct<Bfloat16>& call) : format(call.packed->format) {
    const int64_t granules = call.depth / kGranule, blocks = (granules + kGranulesOfBlock - 1) / kGranulesOfBlock,
                  groups = (call.rows + kIntegerRows - 1) / kIntegerRows, all = groups * kIntegerRows,
                  codes = all * blocks * kGranulesOfBlock * kGranule * 2;
    memory = at::empty({codes + all * (blocks + granules) * 4}, at::kByte);
    if (call.rows > kRowsAlone) memory.zero_();
    uint8_t* first = memory.data_ptr<uint8_t>();
    auto* scales = reinterpret_cast<float*>(first + codes);
    rows = {reinterpret_cast<int16_t*>(first), scales, scales + all * blocks, granules, blocks};
    at::parallel_for(0, groups, kGroupsToRound, [&](int64_t begin, int64_t end) {
      functions<ProductFunctions, at::BFloat16>().roundBlocks(call, rows, begin, end);
    });
  }
};

// The same rows of x rounded for each of the formats in calls with a product of whole numbers.
class RoundedInputs {
 public:
  void add(const FrozenProduct<Bfloat16>& call) {
    if (hasIntegerProduct(call.packed) && !find(call.packed)) inputs_.emplace_back(call);
  }
  // Null if the product with the weight is not one of whole numbers.
  const IntegerRows* find(const PackedMatrix* weight) const {
    if (!hasWholeGranules(weight)) return nullptr;
    const auto found = std::ranges::find(inputs_, weight->format, &RoundedInput::format);
    return found == inputs_.end() ? nullptr : &found->rows;
  }

 private:
  std::vector<RoundedInput> inputs_;
};

// Few rows of x or low, arranged for all products with them, and their memory.
template <typename T>
struct FewRows {
  Tensor memory;

  FewRows(const Rows<const Stored<T>>& from, int64_t rows, int64_t depth, bool usesTiles) {
    if (depth == 0) return;
    const int64_t bytes = (depth * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;  // in whole cache lines
    memory = at::empty({kFewRows * bytes}, at::kByte);
    functions<ProductFunctions, T>().arrangeRows(from, rows, depth, usesTiles, memory.data_ptr());
  }
  const void* data() const { return memory.defined() ? memory.data_ptr() : nullptr; }
};

// Calls run(begin, end) for tasks 0 … tasks − 1, of which each thread has `grain` or more.
template <typename Run>
void inTurns(int64_t tasks, int64_t grain, Run run) {
  const int64_t threads = std::clamp(tasks / grain, int64_t{1}, int64_t{at::get_num_threads()});
  if (threads == 1) return run(0, tasks);
  TaskShares shares(tasks, threads);
  at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
    for (int64_t thread = first; thread < last; ++thread)
      for (auto turn = shares.take(thread); turn.begin < turn.end; turn = shares.take(thread))
        run(turn.begin, turn.end);
  });
}

// Products with the same input, whose columns are split among threads as if they were one product.
template <typename T>
void runFewRows(const std::vector<FrozenProduct<Stored<T>>>& calls) {
  const ProductFunctions<Stored<T>>& own = functions<ProductFunctions, T>();
  int64_t tasks = 0;
  std::vector<int64_t> starts;
  std::vector<FewRows<T>> low;
  std::optional<FewRows<T>> x;
  RoundedInputs rounded;
  for (const auto& call : calls) {
    starts.push_back(tasks);
    tasks += (call.columns + 15) / 16;
    if constexpr (std::is_same_v<T, at::BFloat16>) rounded.add(call);
    const bool isRounded = rounded.find(call.packed) != nullptr;
    if (!isRounded && !x) x.emplace(call.x, call.rows, call.depth, call.usesTiles);
    low.emplace_back(call.low, call.rows, isRounded ? 0 : call.rank, call.usesTiles);
  }
  const int64_t bytes = 16 * calls[0].depth * static_cast<int64_t>(sizeof(T)),
                grain = std::max<int64_t>(kBytesOfThread / std::max<int64_t>(bytes, 1), 1);
  inTurns(tasks, grain, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < calls.size(); ++i) {
      const int64_t first = std::max(begin - starts[i], int64_t{0}),
                    last = std::min(end - starts[i], (calls[i].columns + 15) / 16);
      if (first >= last) continue;
      if (const IntegerRows* integers = rounded.find(calls[i].packed))
        own.integerProduct(calls[i], *integers, first, last);
      else own.fewRowsProduct(calls[i], {x->data(), low[i].data()}, first, last);
    }
  });
}

void runByteProduct(const FrozenProduct<Bfloat16>& call) {
  const auto& functions = bidora::functions<ProductFunctions, at::BFloat16>();
  const int64_t stride = (call.depth + 63) / 64 * 64 + 64,  // rows not in the same cache sets
      rows = (call.rows + 31) / 32 * 32, panels = (call.columns + kPanel - 1) / kPanel,
                chunk = chunkFor(call.rows, panels, true), chunks = (call.rows + chunk - 1) / chunk;
  const Tensor codes = at::empty({rows, stride}, at::kChar), scales = at::empty({rows}, at::kFloat);
  const RoundedRows x{codes.data_ptr<int8_t>(), scales.data_ptr<float>(), stride};
  at::parallel_for(0, rows, kRowsToRound,
                   [&](int64_t begin, int64_t end) { functions.roundRows(call, x, begin, end); });
  at::parallel_for(0, panels * chunks, 1,
                   [&](int64_t begin, int64_t end) { functions.byteProduct(call, x, chunk, begin, end); });
}

template <typename T>
void run(const FrozenProduct<Stored<T>>& call) {
  if constexpr (std::is_same_v<T, at::BFloat16>)
    if (call.packed && call.packed->roundsInputs) return runByteProduct(call);
  const bool isInteger = std::is_same_v<T, at::BFloat16> && hasIntegerProduct(call.packed);
  if ((isInteger || call.rows <= kFewRows) && !call.isTransposed) return runFewRows<T>({call});
  const int64_t panels = (call.columns + kPanel - 1) / kPanel, chunk = chunkFor(call.rows, panels, call.usesTiles),
                chunks = (call.rows + chunk - 1) / chunk;
  at::parallel_for(0, panels * chunks, 1, [&](int64_t begin, int64_t end) {
    functions<ProductFunctions, T>().frozenProduct(call, chunk, begin, end);
  });
}

// The operands of a product, which they keep alive. Those that are missing are undefined.
struct Operands {
  Tensor x, weight, low, factor, gain, bias;
  bool isTransposed = false;
  double scale = 1;

  Tensor emptyResult() const { return at::empty({x.size(0), weight.size(isTransposed ? 1 : 0)}, x.options()); }

  template <typename T>
  FrozenProduct<Stored<T>> into(const Tensor& out) const {
    return {.x = rowsOf<T>(x),
            .weight = denseRowsOf<T>(weight),
            .low = rowsOf<T>(low),
            .factor = rowsOf<T>(factor),
            .out = writableRows<T>(out),
            .rows = x.size(0),
            .depth = x.size(1),
            .columns = out.size(1),
            .rank = low.defined() ? low.size(1) : 0,
            .isTransposed = isTransposed,
            .scale = static_cast<SumOf<T>>(scale),
            .gain = read<SumOf<T>>(gain),
            .bias = read<T>(bias),
            .packed = packedMatrix(weight),
            .usesTiles = usesTiles(x)};
  }
};

bool roundsInputs(const Tensor& weight) {
  const PackedMatrix* packed = packedMatrix(weight);
  return packed && packed->roundsInputs;
}

// The depth's elements are multiplied in pairs; a transposed matrix is read in pairs of columns, too.
bool hasPairs(const Tensor& matrix, bool isTransposed) {
  return matrix.size(1) % 2 == 0 && (!isTransposed || matrix.size(0) % 2 == 0);
}

}  // namespace

Tensor ownProduct(const Tensor& x, const Tensor& weight, bool isTransposed, const LowRankTerm& lowRank,
                  const Epilogue& epilogue, double scale) {
  const Operands of{.x = inPairs(x),
                    .weight = inPairs(weight),
                    .low = inPairs(lowRank.low),
                    .factor = inPairs(lowRank.factor),
                    .gain = epilogue.gain,
                    .bias = contiguousOrNone(epilogue.bias),
                    .isTransposed = isTransposed,
                    .scale = scale};
  const Tensor out = of.emptyResult();
  if (out.numel() == 0) return out;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::frozen_product",
                                 [&] { run<scalar_t>(of.into<scalar_t>(out)); });
  return out;
}

bool isIntegerProduct(const Tensor& x, const Tensor& weight) {
  return x.scalar_type() == at::kBFloat16 && hasIntegerProduct(packedMatrix(weight));
}

bool hasOwnProducts(at::ScalarType type) {
  const auto& own = tableInUse<ProductFunctions>();
  if (type == at::kFloat) return own.float32.frozenProduct != nullptr;
  return type == at::kBFloat16 && own.bfloat16.frozenProduct != nullptr;
}

bool hasOwnProduct(const Tensor& matrix, bool isTransposed) {
  return matrix.is_cpu() && hasOwnProducts(matrix.scalar_type()) &&
         (matrix.scalar_type() == at::kFloat || hasPairs(matrix, isTransposed) || roundsInputs(matrix));
}

bool hasIntegerProducts() { return tableInUse<ProductFunctions>().bfloat16.integerProduct != nullptr; }

bool setIntegerProducts(bool areAllowed) { return std::exchange(integerProductsAllowed, areAllowed); }

bool hasByteProducts() {
  return hasTiles() && hasByteTiles() && tableInUse<ProductFunctions>().bfloat16.byteProduct != nullptr;
}

std::vector<Tensor> fewRowsProducts(const Tensor& givenX, at::TensorList weights, at::TensorList biases) {
  const Tensor x = inPairs(givenX);
  std::vector<Tensor> results;
  std::vector<Operands> operands;
  for (size_t i = 0; i < weights.size(); ++i) {
    operands.push_back({.x = x,
                        .weight = inPairs(weights[i]),
                        .low = {},
                        .factor = {},
                        .gain = {},
                        .bias = biases.empty() ? Tensor() : biases[i].contiguous()});
    results.push_back(operands[i].emptyResult());
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, x.scalar_type(), "bidora::frozen_product", [&] {
    std::vector<FrozenProduct<Stored<scalar_t>>> calls;
    for (size_t i = 0; i < operands.size(); ++i)
      if (results[i].numel() > 0) calls.push_back(operands[i].into<scalar_t>(results[i]));
    if (calls.empty()) return;
    if (std::none_of(weights.begin(), weights.end(), roundsInputs)) return runFewRows<scalar_t>(calls);
    for (const auto& call : calls) run<scalar_t>(call);
  });
  return results;
}

Tensor outerProduct(const Tensor& givenLeft, const Tensor& givenRight) {
  if (!hasOwnProducts(givenRight.scalar_type())) return at::mm(givenLeft.t(), givenRight);
  const Tensor left = inPairs(givenLeft), right = inPairs(givenRight);
  const Tensor result = at::empty({left.size(1), right.size(1)}, right.options().dtype(sumType(right)));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, right.scalar_type(), "bidora::frozen_product", [&] {
    const OuterProduct<Stored<scalar_t>> call{rowsOf<scalar_t>(left), rowsOf<scalar_t>(right),
                                              left.size(0),           left.size(1),
                                              right.size(1),          result.data_ptr<SumOf<scalar_t>>()};
    const int64_t tasks = (call.columns + kColumnsOfTask - 1) / kColumnsOfTask;
    at::parallel_for(0, tasks, 4, [&](int64_t begin, int64_t end) {
      functions<ProductFunctions, scalar_t>().outerProduct(call, begin * kColumnsOfTask,
                                                           std::min(end * kColumnsOfTask, call.columns));
    });
  });
  return result;
}

}  // namespace bidora
