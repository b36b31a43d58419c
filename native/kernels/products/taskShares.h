// Tasks that threads share. Each thread begins with a share of its own, which it takes a few at a time in order, so
// that what it has prefetched is its own next task; a thread that is done takes from the end of another's, because one
// may be slower than another.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace bidora {

class TaskShares {
 public:
  struct Turn {
    int64_t begin, end;
  };

  // Of tasks 0 … tasks − 1, which are fewer than 2³².
  TaskShares(int64_t tasks, int64_t threads) : left_(threads) {
    for (int64_t i = 0; i < threads; ++i) left_[i] = pack({tasks * i / threads, tasks * (i + 1) / threads});
  }

  // The next tasks of a thread; none if all are taken.
  Turn take(int64_t thread) {
    const Turn own = takePart(left_[thread], false);
    if (own.begin < own.end) return own;
    for (std::atomic<uint64_t>& other : left_) {
      const Turn taken = takePart(other, true);
      if (taken.begin < taken.end) return taken;
    }
    return own;
  }

 private:
  static uint64_t pack(Turn turn) { return static_cast<uint64_t>(turn.begin) << 32 | static_cast<uint64_t>(turn.end); }
  static Turn unpack(uint64_t bits) {
    return {static_cast<int64_t>(bits >> 32), static_cast<int64_t>(bits & 0xFFFFFFFF)};
  }

  // Half of what is left, from the beginning or the end; one task or more.
  static Turn takePart(std::atomic<uint64_t>& share, bool isFromEnd) {
    for (uint64_t bits = share.load();;) {
      const Turn left = unpack(bits);
      if (left.begin >= left.end) return left;
      const int64_t count = std::max((left.end - left.begin) / 2, int64_t{1}),
                    cut = isFromEnd ? left.end - count : left.begin + count;
      const Turn first{left.begin, cut}, last{cut, left.end};
      if (share.compare_exchange_weak(bits, pack(isFromEnd ? first : last))) return isFromEnd ? last : first;
    }
  }

  std::vector<std::atomic<uint64_t>> left_;  // begin and end of each thread's
};

}  // namespace bidora
