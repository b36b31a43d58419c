// The products with G = Wᵀ·W, [in, in], that BiDoRA's regularizer needs, in one pass over G. G is symmetric, so only
// the tiles on and above its diagonal are stored, row by row, padded with zeros to a multiple of the tile size. The
// diagonal, much larger than the rest, is stored in a separate vector and is 0 in the tiles, so that the tiles may have
// a lower precision.
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "functions.h"
#include "kernels/common/differentiable.h"
#include "lowRankGram.h"

namespace bidora {

using at::Tensor;

namespace {

int64_t roundUpTo(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// [tiles, 64, 64] for a matrix of `size` columns.
std::array<int64_t, 3> tileSizes(int64_t size) {
  const int64_t blocks = roundUpTo(size, kTile) / kTile;
  return {blocks * (blocks + 1) / 2, kTile, kTile};
}

// In the weight's dtype; the products are computed in double or float.
Tensor gramTiles(const Tensor& weight) {
  checkOperands({&weight});
  TORCH_CHECK(weight.dim() == 2, "expected a weight of [out, in], got ", weight.sizes());
  if (weight.is_meta()) return at::empty(tileSizes(weight.size(1)), weight.options());
  const Tensor wide = weight.detach().to(sumType(weight));
  const int64_t size = wide.size(1), blocks = roundUpTo(size, kTile) / kTile;
  const Tensor tiles = at::zeros(tileSizes(size), weight.options());
  int64_t next = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t start = block * kTile, rows = std::min(kTile, size - start);
    const Tensor products = at::mm(wide.narrow(1, start, rows).t(), wide.narrow(1, start, size - start));
    products.diagonal().zero_();
    for (int64_t column = 0; column < size - start; column += kTile) {
      const int64_t columns = std::min(kTile, size - start - column);
      tiles[next++].narrow(0, 0, rows).narrow(1, 0, columns).copy_(products.narrow(1, column, columns));
    }
  }
  return tiles;
}

template <typename T>
struct PassSums {
  std::vector<T> squares, rows, columns;

  explicit PassSums(const GramPass<T>& pass)
      : squares(pass.size), rows(pass.width * pass.size), columns(pass.size * pass.width) {}
};

template <typename T, typename Sum = SumOf<T>>
PassSums<Sum> sumTiles(const GramPass<Sum>& pass, const Tensor& tiles, int64_t chunks) {
  std::vector<PassSums<Sum>> parts(chunks, PassSums<Sum>(pass));
  const int64_t count = tiles.size(0);
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      PassSums<Sum>& part = parts[chunk];
      functions<GramFunctions, T>().gram(pass, read<T>(tiles), count * chunk / chunks, count * (chunk + 1) / chunks,
                                         {part.squares.data(), part.rows.data(), part.columns.data()});
    }
  });
  const auto gather = [&](auto member) {
    auto& total = parts[0].*member;
    for (int64_t chunk = 1; chunk < chunks; ++chunk)
      for (size_t k = 0; k < total.size(); ++k) total[k] += (parts[chunk].*member)[k];
  };
  gather(&PassSums<Sum>::squares);
  gather(&PassSums<Sum>::rows);
  gather(&PassSums<Sum>::columns);
  return std::move(parts[0]);
}

void check(const Tensor& tiles, const Tensor& diagonal, const Tensor& w, const Tensor& p, const Tensor& q) {
  checkOperands({&tiles, &diagonal, &w, &p, &q});
  TORCH_CHECK(w.dim() == 1, "expected w of [in], got ", w.sizes());
  const int64_t size = w.size(0);
  TORCH_CHECK(tiles.sizes() == at::IntArrayRef(tileSizes(size)) && tiles.is_contiguous(),
              "expected contiguous tiles of a matrix of ", size, " columns, got ", tiles.sizes());
  TORCH_CHECK(p.dim() == 2 && p.size(1) == size && q.sizes() == p.sizes(), "expected p and q of [r, ", size, "], got ",
              p.sizes(), " and ", q.sizes());
  TORCH_CHECK(diagonal.sizes() == w.sizes(), "expected a diagonal of w's shape, got ", diagonal.sizes());
  for (const Tensor* other : {&diagonal, &w, &p, &q})
    TORCH_CHECK(other->scalar_type() == sumType(tiles), "expected diagonal, w, p and q of ", sumType(tiles),
                " for tiles of ", tiles.scalar_type(), ", got ", other->scalar_type());
}

}  // namespace

GramProducts multiplyGram(const Tensor& tiles, const Tensor& diagonal, const Tensor& w, const Tensor& p,
                          const Tensor& q, int64_t chunks) {
  check(tiles, diagonal, w, p, q);
  GramProducts result{emptyLike(w), emptyLike(p), emptyLike(q)};
  if (w.is_meta()) return result;
  const int64_t size = w.size(0), padded = roundUpTo(size, kTile), rank = p.size(0),
                width = roundUpTo(2 * rank, kWidth);
  const Tensor weights = at::zeros({padded}, w.options()), rows = at::zeros({width, padded}, w.options());
  weights.narrow(0, 0, size).copy_(w);
  rows.narrow(0, 0, rank).narrow(1, 0, size).copy_(p);
  rows.narrow(0, rank, rank).narrow(1, 0, size).copy_(q);
  const Tensor columns = rows.t().contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, tiles.scalar_type(), "bidora::gram_form", [&] {
    using T = SumOf<scalar_t>;
    const GramPass<T> pass{.size = padded,
                           .width = width,
                           .w = weights.const_data_ptr<T>(),
                           .rows = rows.const_data_ptr<T>(),
                           .columns = columns.const_data_ptr<T>()};
    const PassSums<T> sums = sumTiles<scalar_t>(pass, tiles, chunks);
    std::copy_n(sums.squares.data(), size, result.squares.data_ptr<T>());
    for (int64_t k = 0; k < 2 * rank; ++k) {
      T* to = (k < rank ? result.p : result.q).data_ptr<T>() + k % rank * size;
      for (int64_t i = 0; i < size; ++i) to[i] = sums.rows[k * padded + i] + sums.columns[i * width + k];
    }
  });
  result.squares.addcmul_(diagonal.square(), w);
  result.p.addcmul_(p, diagonal);
  result.q.addcmul_(q, diagonal);
  return result;
}

namespace {

constexpr int64_t kChunks = 8;

using Products = std::tuple<Tensor, Tensor, Tensor>;

Products gramProducts(const Tensor& tiles, const Tensor& diagonal, const Tensor& w, const Tensor& p, const Tensor& q) {
  const GramProducts products = multiplyGram(tiles, diagonal, w, p, q, kChunks);
  return {products.squares, products.p, products.q};
}

GramProducts productsOf(const Tensor& tiles, const Tensor& diagonal, const Tensor& w, const Tensor& p,
                        const Tensor& q) {
  auto [squares, pg, qg] = callKernel<gramProducts>("bidora::_gram_products", tiles, diagonal, w, p, q);
  return {squares, pg, qg};
}

Tensor innerProduct(const Tensor& a, const Tensor& b) { return at::sum(at::mul(a, b)); }

// The gradient of gram_form, which is differentiable itself: another pass, with the incoming gradients in place of w, p
// and q.
struct GramGradient {
  struct Saved {
    Tensor gradient, tiles, diagonal, squares, pg, qg;
    std::vector<Tensor*> tensors() { return {&gradient, &tiles, &diagonal, &squares, &pg, &qg}; }
  };

  static Forward<Products, Saved> forward(const Tensor& gradient, const Tensor& tiles, const Tensor& diagonal,
                                          const Tensor& /* w */, const Tensor& /* p */, const Tensor& /* q */,
                                          const Tensor& squares, const Tensor& pg, const Tensor& qg) {
    return {{squares.mul(gradient).mul(2), qg.mul(gradient).mul(4), pg.mul(gradient).mul(4)},
            {gradient, tiles, diagonal, squares, pg, qg}};
  }

  static variable_list backward(const Saved& saved, const variable_list& gradients, const Needs&) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "bidora::gram_form has no third derivative.");
    const auto& [gradient, tiles, diagonal, squares, pg, qg] = saved;
    const Tensor &ofW = gradients[0], &ofP = gradients[1], &ofQ = gradients[2];
    const GramProducts again = productsOf(tiles, diagonal, ofW, ofQ, ofP);
    const Tensor ofGradient =
        innerProduct(ofW, squares).mul(2).add(innerProduct(ofP, qg).add(innerProduct(ofQ, pg)), 4);
    return {ofGradient,
            Tensor(),
            Tensor(),
            again.squares.mul(gradient).mul(2),
            again.p.mul(gradient).mul(4),
            again.q.mul(gradient).mul(4)};
  }
};

struct GramForm {
  struct Saved {
    Tensor tiles, diagonal, w, p, q, squares, pg, qg;
    std::vector<Tensor*> tensors() { return {&tiles, &diagonal, &w, &p, &q, &squares, &pg, &qg}; }
  };

  // wᵀ(G∘G)w + 4·Σ (p·G)∘q
  static Forward<Tensor, Saved> forward(const Tensor& tiles, const Tensor& diagonal, const Tensor& w, const Tensor& p,
                                        const Tensor& q) {
    const auto [squares, pg, qg] = productsOf(tiles, diagonal, w, p, q);
    return {innerProduct(w, squares).add(innerProduct(pg, q), 4), {tiles, diagonal, w, p, q, squares, pg, qg}};
  }

  static variable_list backward(const Saved& of, const variable_list& gradients, const Needs&) {
    const auto [ofW, ofP, ofQ] =
        differentiated<GramGradient>(gradients[0], of.tiles, of.diagonal, of.w, of.p, of.q, of.squares, of.pg, of.qg);
    return {Tensor(), Tensor(), ofW, ofP, ofQ};
  }
};

[[maybe_unused]] const bool defined = defineOnce("bidora::gram_form", [](OperatorLibrary& library) {
  library.define<gramTiles, NoDerivative::ignore>("gram_tiles(Tensor weight) -> Tensor");
  defineDifferentiable<GramForm>(library,
                                 "gram_form(Tensor tiles, Tensor diagonal, Tensor w, Tensor p, Tensor q) -> Tensor");
  library.define<gramProducts, NoDerivative::refuse>(
      "_gram_products(Tensor tiles, Tensor diagonal, Tensor w, Tensor p, Tensor q) -> (Tensor squares, Tensor p, "
      "Tensor q)");
});

}  // namespace
}  // namespace bidora
