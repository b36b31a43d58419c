// Attention over rows laid end to end, without padding: [N, H·D] for each of query, key and value, N tokens of all rows,
// H heads of D. Neither direction keeps anything of size length²: the backward pass makes weights and masks again.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "operands.h"
#include "registration.h"

namespace bidora {
namespace {

using at::Tensor;

struct Settings {
  int64_t heads;
  double scale;
  Dropping dropping;
};

void checkRows(const Tensor& offsets, int64_t tokens) {
  TORCH_CHECK(offsets.scalar_type() == at::kLong && offsets.device().is_cpu() && offsets.layout() == at::kStrided && offsets.dim() == 1 && offsets.is_contiguous() && offsets.numel() > 0,
              "offsets: expected [rows + 1] int64 on the CPU, side by side, got ", offsets.sizes(), ' ', offsets.scalar_type());
  const int64_t* starts = offsets.const_data_ptr<int64_t>();
  bool rises = starts[0] == 0;
  for (int64_t row = 0; row + 1 < offsets.numel(); ++row) rises = rises && starts[row] < starts[row + 1];
  TORCH_CHECK(rises && starts[offsets.numel() - 1] == tokens, "offsets: expected numbers that rise from 0 to ", tokens, ", the tokens");
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const Settings& settings) {
  checkOperands({&q, &k, &v});
  TORCH_CHECK(q.dim() == 2 && settings.heads > 0 && q.size(1) % settings.heads == 0, "expected a query of [tokens, heads · size], got ",
              q.sizes(), " for ", settings.heads, " heads");
  TORCH_CHECK(k.sizes() == q.sizes() && v.sizes() == q.sizes(), "expected key and value like the query, ", q.sizes(), ", got ", k.sizes(),
              " and ", v.sizes());
  TORCH_CHECK(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(), "expected one dtype, got ", q.scalar_type(), ", ",
              k.scalar_type(), " and ", v.scalar_type());
  checkRows(offsets, q.size(0));
}

// A view with the numbers of a token side by side, as a slice of a joint product has them.
Tensor readable(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

template <typename T>
Rows<const Stored<T>> rowsOf(const Tensor& x) {
  return {read<T>(x), x.stride(0)};
}
template <typename T>
Rows<Stored<T>> writableRows(const Tensor& x) {
  return {write<T>(x), x.stride(0)};
}

AttentionShape shapeOf(const Tensor& q, const Tensor& offsets, const Settings& settings) {
  return {offsets.const_data_ptr<int64_t>(), offsets.numel() - 1, settings.heads, q.size(1) / settings.heads, settings.scale, settings.dropping};
}

// Runs work(next) on all threads, which take heads as they get free.
template <typename Work>
void forEachThread(const AttentionShape& shape, Work work) {
  int64_t next = 0;
  at::parallel_for(0, std::min<int64_t>(at::get_num_threads(), shape.rows * shape.heads), 1, [&](int64_t, int64_t) { work(next); });
}

// → [N, H·D] and log Σ exp of each query's scores, [H, N]
std::pair<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const Settings& settings) {
  check(q, k, v, offsets, settings);
  const Tensor out = at::empty(q.sizes(), q.options());
  if (q.numel() == 0) return {out, at::empty({0}, q.options())};
  const Tensor query = readable(q), key = readable(k), value = readable(v);
  const Tensor logSums = at::empty({settings.heads, q.size(0)}, q.options().dtype(sumType(q)));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, offsets, settings);
    const AttentionInputs<Stored<scalar_t>> inputs{rowsOf<scalar_t>(query), rowsOf<scalar_t>(key), rowsOf<scalar_t>(value)};
    SumOf<scalar_t>* sums = logSums.data_ptr<SumOf<scalar_t>>();
    forEachThread(shape, [&](int64_t& next) { functions<scalar_t>().attend(shape, inputs, writableRows<scalar_t>(out), sums, next); });
  });
  return {out, logSums};
}

std::array<Tensor, 3> backward(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& logSums,
                               const Tensor& offsets, const Settings& settings) {
  const std::array<Tensor, 3> results{at::empty(q.sizes(), q.options()), at::empty(q.sizes(), q.options()), at::empty(q.sizes(), q.options())};
  if (q.numel() == 0) return results;
  const Tensor query = readable(q), key = readable(k), value = readable(v), change = readable(gradient);
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    const AttentionShape shape = shapeOf(q, offsets, settings);
    const AttentionInputs<Stored<scalar_t>> inputs{rowsOf<scalar_t>(query), rowsOf<scalar_t>(key), rowsOf<scalar_t>(value)};
    const AttentionGradients<Stored<scalar_t>> gradients{rowsOf<scalar_t>(change), logSums.const_data_ptr<SumOf<scalar_t>>(),
                                                         writableRows<scalar_t>(results[0]), writableRows<scalar_t>(results[1]),
                                                         writableRows<scalar_t>(results[2])};
    forEachThread(shape, [&](int64_t& next) { functions<scalar_t>().attendBackward(shape, inputs, gradients, next); });
  });
  return results;
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets,
                        int64_t heads, double scale, double p, int64_t seed, int64_t stream) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [out, logSums] = bidora::forward(q, k, v, offsets, settingsOf(heads, scale, p, seed, stream));
    context->save_for_backward({q, k, v, offsets, logSums});
    context->saved_data["settings"] = c10::ivalue::Tuple::create(heads, scale, p, seed, stream);
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::attention has no second derivative: use the plain formula.");
    const auto saved = context->get_saved_variables();
    const auto& values = context->saved_data["settings"].toTupleRef().elements();
    const Settings settings = settingsOf(values[0].toInt(), values[1].toDouble(), values[2].toDouble(), values[3].toInt(), values[4].toInt());
    auto [q, k, v] = bidora::backward(gradients[0], saved[0], saved[1], saved[2], saved[4], saved[3], settings);
    return {q, k, v, Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

  static Settings settingsOf(int64_t heads, double scale, double p, int64_t seed, int64_t stream) {
    return {heads, scale, droppingOf(p, seed, stream)};
  }
};

// The mask that attention draws with the same key for some rows of a batch, 0 or 1 / (1 − p), padded by 0 to the longest of
// them: [rows, H, L, L] in the dtype of `like`.
Tensor attentionMask(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef lengths, int64_t heads, double p, int64_t seed,
                     int64_t stream) {
  checkOperands({&like});
  TORCH_CHECK(rows.size() == lengths.size() && !rows.empty(), "expected a length for each of ", rows.size(), " rows, got ", lengths.size());
  TORCH_CHECK(heads > 0, "expected heads, got ", heads);
  for (const at::IntArrayRef numbers : {rows, lengths})
    TORCH_CHECK(*std::min_element(numbers.begin(), numbers.end()) >= 0, "expected rows and lengths from 0 on, got ", numbers);
  const Dropping dropping = droppingOf(p, seed, stream);
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const Tensor mask = at::zeros({static_cast<int64_t>(rows.size()), heads, longest, longest}, like.options());
  if (mask.numel() == 0) return mask;
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, like.scalar_type(), "bidora::attention_mask", [&] {
    at::parallel_for(0, rows.size() * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const uint32_t head = static_cast<uint32_t>(rows[task / heads] * heads + task % heads);
        const MaskShape shape{lengths[task / heads], longest, head, dropping};
        functions<scalar_t>().attentionMask(shape, write<scalar_t>(mask) + task * longest * longest);
      }
    });
  });
  return mask;
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, int64_t heads, double scale, double p, int64_t seed,
                 int64_t stream) {
  return AttentionFunction::apply(q, k, v, offsets, heads, scale, p, seed, stream);
}

[[maybe_unused]] const bool defined = defineOnce("bidora::attention", [](torch::Library& library) {
  library.def(
      "attention(Tensor query, Tensor key, Tensor value, Tensor offsets, int heads, float scale, float p=0., int seed=0, int stream=0)"
      " -> Tensor",
      attention);
  library.def("attention_mask(Tensor like, int[] rows, int[] lengths, int heads, float p, int seed, int stream) -> Tensor", attentionMask);
});

}  // namespace
}  // namespace bidora
