// A product with a frozen matrix of a layer's size. The matrix is packed panel by panel into a core's cache and
// multiplied there with all rows, so that no packed copy of it is kept. Each element of the result is summed over the
// depth in order, whichever tile it is in.
#include "functions.h"
#include "functions/amx.h"
#include "functions/byteProduct.h"
#include "functions/fewRows.h"
#include "functions/finishTile.h"
#include "functions/integerProduct.h"
#include "functions/outerProduct.h"
#include "functions/packedPanels.h"
#include "functions/tiledProduct.h"

namespace bidora::BIDORA_VARIANT {

#ifdef BIDORA_OWN_PRODUCTS

// Columns that a tile has at most. A wider panel has several blocks of so many columns, one after the other.
constexpr int64_t kTileColumns = 4 * kLanes<float>;

// A panel's words of W, and those of F.
template <typename T>
struct Panel {
  const WordOf<T>*words, *factor;
  int64_t column;     // its first column
  int64_t width = 0;  // columns, rounded up
  int64_t tiles = 0;  // tiles multiplied with it so far
  // The sums of all rows, [rows, width], if the panel holds a part of the depth; null if it holds all of it.
  SumOf<T>* sums = nullptr;
  bool isFirst = true, isLast = true;  // whether it is the first or last part
};

// The lines of the next panel to prefetch with a tile; the first few tiles prefetch all of them.
template <typename T>
Ahead aheadOf(const FrozenProduct<T>& call, const Panel<T>& panel) {
  constexpr int64_t kLine = 64, kPerWord = Arithmetic<T>::kPerWord, kSize = sizeof(T);
  const int64_t next = panel.column + kPanel, words = call.depth / kPerWord;
  if (call.packed || next >= call.columns || panel.tiles >= kPerWord * kSize)
    return {reinterpret_cast<const char*>(panel.words), 0};
  const T* first = call.weight.data + next * (call.isTransposed ? 1 : call.weight.stride);
  if (!call.isTransposed) return {reinterpret_cast<const char*>(first) + panel.tiles * words * kLine, kLine};
  const T* row = first + panel.tiles % kPerWord * words * call.weight.stride;
  return {reinterpret_cast<const char*>(row) + panel.tiles / kPerWord * kLine, call.weight.stride * kSize};
}

// `first` is the tile's first column in the panel.
template <typename T, int kRows, int kVectors, typename Sum = SumOf<T>>
void tileOfRows(const FrozenProduct<T>& call, Panel<T>& panel, int64_t first, int64_t row) {
  constexpr int64_t kWide = kVectors * kLanes<Sum>, kPerWord = Arithmetic<T>::kPerWord;
  alignas(kVectorBytes) Sum own[kRows * kWide];
  Sum* sums = panel.sums ? panel.sums + first * call.rows + row * kWide : own;
  const int64_t depth = call.depth / kPerWord, rank = call.rank / kPerWord;
  tile<WordOf<T>, Sum, kRows, kVectors, true>(leftAt(call.x, row), panel.words + first * depth, kWide, sums, kWide,
                                              depth, !panel.isFirst, aheadOf(call, panel));
  ++panel.tiles;
  if (!panel.isLast) return;
  if (rank > 0)
    tile<WordOf<T>, Sum, kRows, kVectors>(leftAt(call.low, row), panel.factor + first * rank, kWide, sums, kWide, rank,
                                          true);
  finishTile(call, sums, kRows, kWide, row, panel.column + first);
}

// As many rows at a time as fit into registers.
template <typename T, int kVectors>
void blockTimesRows(const FrozenProduct<T>& call, Panel<T>& panel, int64_t first, int64_t row, int64_t end) {
  constexpr int kTall = kVectors == 4 ? 6 : kVectors == 3 ? 8 : 12;
  for (; row + kTall <= end; row += kTall) tileOfRows<T, kTall, kVectors>(call, panel, first, row);
  if (kTall > 8 && row + 8 <= end) tileOfRows<T, 8, kVectors>(call, panel, first, row), row += 8;
  if (row + 4 <= end) tileOfRows<T, 4, kVectors>(call, panel, first, row), row += 4;
  if (row + 2 <= end) tileOfRows<T, 2, kVectors>(call, panel, first, row), row += 2;
  if (row < end) tileOfRows<T, 1, kVectors>(call, panel, first, row);
}

template <typename T>
void panelTimesRows(const FrozenProduct<T>& call, Panel<T>& panel, int64_t row, int64_t end) {
  for (int64_t first = 0; first < panel.width; first += kTileColumns)
    switch (lesser(kTileColumns, panel.width - first) / kLanes<float>) {
      case 4: blockTimesRows<T, 4>(call, panel, first, row, end); break;
      case 3: blockTimesRows<T, 3>(call, panel, first, row, end); break;
      case 2: blockTimesRows<T, 2>(call, panel, first, row, end); break;
      default: blockTimesRows<T, 1>(call, panel, first, row, end);
    }
}

// Packs panels one after the other into the same memory.
template <typename T>
class PanelPacker {
 public:
  Panel<T> pack(const FrozenProduct<T>& call, int64_t column, bool isLast) {
    constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
    const int64_t depth = call.depth / kPerWord, rank = isLast ? call.rank / kPerWord : 0,
                  count = lesser(kPanel, call.columns - column);
    WordOf<T>*ofW = words_.need(depth * kPanel), *ofF = further_.need(rank * kPanel);
    forEachBlock(count, depth, ofW, [&](int64_t first, int64_t some, WordOf<T>* to) {
      if (call.packed) packDecodedPanel(call, depth, column + first, some, roundUp(some, kWidth), to);
      else packPanel(call.weight, call.isTransposed, depth, column + first, some, roundUp(some, kWidth), to);
    });
    forEachBlock(rank > 0 ? count : 0, rank, ofF, [&](int64_t first, int64_t some, WordOf<T>* to) {
      packPanel(call.factor, call.isTransposed, rank, column + first, some, roundUp(some, kWidth), to);
    });
    return {ofW, ofF, column, roundUp(count, kWidth)};
  }

 private:
  // Calls pack(first column, columns, to) for each block of a panel.
  template <typename Pack>
  static void forEachBlock(int64_t count, int64_t words, WordOf<T>* to, Pack pack) {
    for (int64_t first = 0; first < count; first += kTileColumns)
      pack(first, lesser(kTileColumns, count - first), to + first * words);
  }

  Buffer<WordOf<T>> words_, further_;
};

constexpr int64_t kDepthAtOnce = 512, kPanelsAtOnce = 32;

// All rows, of which there are few, times panels begin … end − 1 of a transposed matrix. A row of the matrix may fill a
// page, so several panels are computed for a limited depth at a time, whose pages fit into the TLB.
template <typename T>
void partByPart(const FrozenProduct<T>& call, int64_t begin, int64_t end) {
  PanelPacker<T> packer;
  Buffer<SumOf<T>> buffer;
  const int64_t sumsOfPanel = call.rows * kPanel;
  for (int64_t first = begin; first < end; first += kPanelsAtOnce) {
    const int64_t last = lesser(first + kPanelsAtOnce, end);
    SumOf<T>* sums = buffer.need((last - first) * sumsOfPanel);
    for (int64_t d = 0; d < call.depth; d += kDepthAtOnce) {
      const FrozenProduct<T> part = partOf(call, d, lesser(kDepthAtOnce, call.depth - d));
      const bool isLast = d + part.depth == call.depth;
      for (int64_t p = first; p < last; ++p) {
        Panel<T> panel = packer.pack(part, p * kPanel, isLast);
        panel.sums = sums + (p - first) * sumsOfPanel;
        panel.isFirst = d == 0;
        panel.isLast = isLast;
        panelTimesRows(part, panel, 0, call.rows);
      }
    }
  }
}

// Calls use with a null pointer to the way of multiplying few rows.
template <typename T, typename Use>
void withFewRows(bool usesTiles, Use use) {
#ifdef BIDORA_AMX
  if constexpr (std::is_same_v<T, Bfloat16>)
    if (usesTiles) return use(static_cast<ByTiles*>(nullptr));
#endif
  use(static_cast<ByVectors*>(nullptr));
}

template <typename T>
void arrangeRows(const Rows<const T>& from, int64_t rows, int64_t depth, bool usesTiles, void* to) {
  withFewRows<T>(usesTiles, [&]<typename By>(By*) {
    By::arrange(from, rows, depth / Arithmetic<T>::kPerWord, static_cast<WordOf<T>*>(to));
  });
}

template <typename T>
void fewRowsProduct(const FrozenProduct<T>& call, const ArrangedRows& arranged, int64_t begin, int64_t end) {
  constexpr int64_t kPerWord = Arithmetic<T>::kPerWord;
  const auto *x = static_cast<const WordOf<T>*>(arranged.x), *low = static_cast<const WordOf<T>*>(arranged.low);
  withFewRows<T>(call.usesTiles, [&]<typename By>(By*) {
    const TileSetting setting(call.usesTiles, By::tiles(call.rows));
    const int64_t words = call.depth / kPerWord, width = By::width(call.rows),
                  last = lesser(end * kWidth, call.columns);
    alignas(kVectorBytes) float sums[kFewRows * kRowsTogether];
    for (int64_t column = begin * kWidth; column < last; column += kRowsTogether) {
      std::memset(sums, 0, sizeof sums);
      if (call.packed) addDecodedTogether<T, By>(x, width, *call.packed, words, column, sums);
      else addTogether<T, By>(x, width, call.weight, words, column, call.columns, sums);
      if (call.rank > 0) addTogether<T, By>(low, width, call.factor, call.rank / kPerWord, column, call.columns, sums);
      By::finish(sums);
      finishTile(call, sums, call.rows, kRowsTogether, 0, column);
    }
  });
}

template <typename T>
void frozenProduct(const FrozenProduct<T>& call, int64_t rowsOfChunk, int64_t begin, int64_t end) {
#ifdef BIDORA_AMX
  if constexpr (std::is_same_v<T, Bfloat16>)
    if (call.usesTiles) return TiledProduct().run(call, rowsOfChunk, begin, end);
#endif
  const int64_t chunks = (call.rows + rowsOfChunk - 1) / rowsOfChunk;
  if (call.isTransposed && chunks == 1 && call.depth > kDepthAtOnce) {
    partByPart(call, begin, end);
    return;
  }
  PanelPacker<T> packer;
  Panel<T> panel{nullptr, nullptr, -1};
  for (int64_t task = begin; task < end; ++task) {
    const int64_t column = task / chunks * kPanel, row = task % chunks * rowsOfChunk;
    if (column != panel.column) panel = packer.pack(call, column, true);
    panelTimesRows(call, panel, row, lesser(row + rowsOfChunk, call.rows));
  }
}

#endif

namespace {

#ifdef BIDORA_OWN_PRODUCTS
template <typename T>
constexpr ProductFunctions<T> kOf{.frozenProduct = frozenProduct<T>,
                                  .arrangeRows = arrangeRows<T>,
                                  .fewRowsProduct = fewRowsProduct<T>,
                                  .outerProduct = outerProduct<T>};
template <>
constexpr ProductFunctions<Bfloat16> kOf<Bfloat16>{.frozenProduct = frozenProduct<Bfloat16>,
                                                   .arrangeRows = arrangeRows<Bfloat16>,
                                                   .fewRowsProduct = fewRowsProduct<Bfloat16>,
#ifdef __AVX2__
                                                   .roundBlocks = roundBlocks,
                                                   .integerProduct = integerProduct,
#endif
                                                   .outerProduct = outerProduct<Bfloat16>,
#ifdef BIDORA_AMX
                                                   .roundRows = roundRows,
                                                   .byteProduct = byteProduct
#endif
};
template <>
constexpr ProductFunctions<double> kOf<double>{};
#else
template <typename T>
constexpr ProductFunctions<T> kOf{};
#ifdef __AVX2__
template <>
constexpr ProductFunctions<Bfloat16> kOf<Bfloat16>{.roundBlocks = roundBlocks, .integerProduct = integerProduct};
#endif
#endif

}  // namespace

BIDORA_DEFINE_TABLE_OF(ProductFunctions, kOf)

}  // namespace bidora::BIDORA_VARIANT
