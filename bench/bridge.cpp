// The calls of bridge.ts in a C++ loop. Prints one line per call: microseconds, the median of many rounds.
#include <ATen/ops/add.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

template <typename Call>
double medianMicros(int rounds, int calls, Call call) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() /
                    calls);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}

int main(int, char** arguments) {
  const int rounds = std::atoi(arguments[1]);
  const int calls = std::atoi(arguments[2]);
  const at::Tensor x = at::ones({4, 4});
  const at::Tensor bias = x[0];
  const at::Tensor tracked = at::ones({4, 4}).requires_grad_();
  std::printf("%f\n", medianMicros(rounds, calls, [&] { return at::add(x, x); }));
  std::printf("%f\n", medianMicros(rounds, calls, [&] { return at::linear(x, x, bias); }));
  std::printf("%f\n", medianMicros(rounds, calls, [&] { return at::add(tracked, tracked); }));
}
