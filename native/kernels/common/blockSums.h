// Sums over rows that do not depend on the number of threads: each block has its own sums, which are added in order.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bidora {

constexpr int64_t kRowsOfBlock = 64;

// Calls `work(first row, end, sums)` for every block; `sums`, of `width` elements, is null if no sums are needed.
template <typename Sum, typename Work>
void sumOverBlocks(int64_t rows, int64_t width, Sum* sums, Work work) {
  const int64_t blocks = (rows + kRowsOfBlock - 1) / kRowsOfBlock;
  std::vector<Sum> partial(sums ? blocks * width : 0);
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      work(block * kRowsOfBlock, std::min(rows, (block + 1) * kRowsOfBlock),
           sums ? partial.data() + block * width : nullptr);
  });
  if (!sums) return;
  std::fill(sums, sums + width, Sum{0});
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t o = 0; o < width; ++o) sums[o] += partial[block * width + o];
}

}  // namespace bidora
