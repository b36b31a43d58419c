// Attention over rows laid end to end, without padding: [N, H·D] for each of query, key and value, N tokens of all rows,
// H heads of D. Neither direction keeps anything of size length²: the backward pass makes weights and masks again.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "attentionHead.h"
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
  TORCH_CHECK(offsets.scalar_type() == at::kLong && offsets.dim() == 1 && offsets.is_contiguous() && offsets.numel() > 0,
              "offsets: expected [rows + 1] int64, got ", offsets.sizes(), ' ', offsets.scalar_type());
  const int64_t* starts = offsets.const_data_ptr<int64_t>();
  bool rises = starts[0] == 0;
  for (int64_t row = 0; row + 1 < offsets.numel(); ++row) rises = rises && starts[row] < starts[row + 1];
  TORCH_CHECK(rises && starts[offsets.numel() - 1] == tokens, "offsets: expected numbers that rise from 0 to ", tokens, ", the tokens");
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const Settings& settings) {
  TORCH_CHECK(q.dim() == 2 && settings.heads > 0 && q.size(1) % settings.heads == 0, "expected a query of [tokens, heads · size], got ",
              q.sizes(), " for ", settings.heads, " heads");
  TORCH_CHECK(k.sizes() == q.sizes() && v.sizes() == q.sizes(), "expected key and value like the query, ", q.sizes(), ", got ", k.sizes(),
              " and ", v.sizes());
  TORCH_CHECK(k.scalar_type() == q.scalar_type() && v.scalar_type() == q.scalar_type(), "expected one dtype, got ", q.scalar_type(), ", ",
              k.scalar_type(), " and ", v.scalar_type());
  TORCH_CHECK(settings.dropping.p >= 0 && settings.dropping.p <= 1, "expected a dropout between 0 and 1, got ", settings.dropping.p);
  checkRows(offsets, q.size(0));
}

// A view with the numbers of a token side by side, as a slice of a joint product has them.
Tensor readable(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

template <typename Storage>
auto headOf(const Tensor& x, int64_t start, int64_t head, int64_t size) {
  return Strided<Storage>{x.data_ptr<std::remove_const_t<Storage>>() + start * x.stride(0) + head * size, x.stride(0)};
}

// Runs work(shape, first token, head, workspace) for every head of every row, on all threads, as they get free.
template <typename Storage, typename Work>
void forEachHead(const Tensor& offsets, const Settings& settings, int64_t size, Work work) {
  const int64_t* starts = offsets.const_data_ptr<int64_t>();
  const int64_t tasks = (offsets.numel() - 1) * settings.heads;
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(at::get_num_threads(), tasks), 1, [&](int64_t, int64_t) {
    Workspace<Storage> workspace;
    for (int64_t task = next++; task < tasks; task = next++) {
      const int64_t row = task / settings.heads, head = task % settings.heads;
      const HeadShape shape{starts[row + 1] - starts[row], size, settings.scale, settings.dropping, static_cast<uint32_t>(task)};
      work(shape, starts[row], head, workspace);
    }
  });
}

// → [N, H·D] and log Σ exp of each query's scores, [H, N]
std::pair<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& offsets, const Settings& settings) {
  check(q, k, v, offsets, settings);
  const Tensor query = readable(q), key = readable(k), value = readable(v);
  const int64_t tokens = q.size(0), size = q.size(1) / settings.heads;
  const Tensor out = at::empty(q.sizes(), q.options());
  const Tensor logSums = at::empty({settings.heads, tokens}, q.options().dtype(q.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    using Sum = typename Arithmetic<scalar_t>::Sum;
    forEachHead<scalar_t>(offsets, settings, size, [&](const HeadShape& shape, int64_t start, int64_t head, Workspace<scalar_t>& work) {
      const auto of = [&](const Tensor& x) { return headOf<const scalar_t>(x, start, head, size); };
      const Strided<Sum> sums{logSums.data_ptr<Sum>() + head * tokens + start, 1};
      attendHead<scalar_t>(shape, of(query), of(key), of(value), headOf<scalar_t>(out, start, head, size), sums, work);
    });
  });
  return {out, logSums};
}

std::array<Tensor, 3> backward(const Tensor& gradient, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& logSums,
                               const Tensor& offsets, const Settings& settings) {
  const Tensor query = readable(q), key = readable(k), value = readable(v), change = readable(gradient);
  const int64_t tokens = q.size(0), size = q.size(1) / settings.heads;
  const std::array<Tensor, 3> results{at::empty(q.sizes(), q.options()), at::empty(q.sizes(), q.options()), at::empty(q.sizes(), q.options())};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, q.scalar_type(), "bidora::attention", [&] {
    using Sum = typename Arithmetic<scalar_t>::Sum;
    forEachHead<scalar_t>(offsets, settings, size, [&](const HeadShape& shape, int64_t start, int64_t head, Workspace<scalar_t>& work) {
      const auto of = [&](const Tensor& x) { return headOf<const scalar_t>(x, start, head, size); };
      const auto to = [&](int i) { return headOf<scalar_t>(results[i], start, head, size); };
      const Strided<const Sum> sums{logSums.const_data_ptr<Sum>() + head * tokens + start, 1};
      attendHeadBackward<scalar_t>(shape, of(query), of(key), of(value), of(change), sums, {to(0), to(1), to(2)}, work);
    });
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
    return {heads, scale, {{static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)}, p}};
  }
};

// The mask that attention draws with the same key for some rows of a batch, 0 or 1 / (1 − p), padded by 0 to the longest of
// them: [rows, H, L, L] in the dtype of `like`.
Tensor attentionMask(const Tensor& like, at::IntArrayRef rows, at::IntArrayRef lengths, int64_t heads, double p, int64_t seed,
                     int64_t stream) {
  TORCH_CHECK(rows.size() == lengths.size() && !rows.empty(), "expected a length for each of ", rows.size(), " rows, got ", lengths.size());
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const Tensor mask = at::zeros({static_cast<int64_t>(rows.size()), heads, longest, longest}, like.options());
  const uint32_t threshold = dropThreshold(p);
  const Dropping dropping{{static_cast<uint64_t>(seed), static_cast<uint32_t>(stream)}, p};
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, like.scalar_type(), "bidora::attention_mask", [&] {
    const scalar_t factor = static_cast<scalar_t>(dropping.factor());
    at::parallel_for(0, rows.size() * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t length = lengths[task / heads];
        const HeadShape shape{length, 1, 1, dropping, static_cast<uint32_t>(rows[task / heads] * heads + task % heads)};
        scalar_t* to = mask.data_ptr<scalar_t>() + task * longest * longest;
        forEachMask(shape, 0, roundUp(length, 4), [&](int64_t i, int64_t j, const uint32_t* numbers) {
          if (i >= length) return;
          const int64_t count = std::min(kWidth, length - j);
          for (int64_t lane = 0; lane < count; ++lane) to[i * longest + j + lane] = numbers[lane] < threshold ? scalar_t{0} : factor;
        });
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
