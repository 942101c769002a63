// Seals and opens trains of every length and number of packets by the library alone and by every
// kernel of this machine, in turn within a round. Prints two Markdown tables: nanoseconds a packet,
// the least of several rounds, since noise only adds.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "bench/packets.hpp"
#include "crypto/aead.hpp"
#include "crypto/train/kernel.hpp"

namespace {

using namespace wg;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 9;
constexpr auto kRoundLength = std::chrono::milliseconds(2);
constexpr std::size_t kCounts[] = {1, 2, 4, 8, 16, 45};

struct Way {
  std::string name;
  crypto::TrainKey key;
};

template <class Work>
double nanoseconds_each(std::size_t packets, Work&& work) {
  std::size_t done = 0;
  const auto begin = Clock::now();
  auto elapsed = Clock::duration::zero();
  do {
    work();
    done += packets;
    elapsed = Clock::now() - begin;
  } while (elapsed < kRoundLength);
  return std::chrono::duration<double, std::nano>(elapsed).count() / static_cast<double>(done);
}

/// The least time of each way, for trains of `count` packets of `size` bytes.
std::vector<double> measure(const std::vector<std::unique_ptr<Way>>& ways, std::size_t size,
                            std::size_t count, bool open) {
  bench::Packets packets(count, size);
  ways.front()->key.seal(packets.seal);  // so that what is opened is authentic
  std::vector<double> best(ways.size(), std::numeric_limits<double>::max());
  for (int round = 0; round < kRounds; round++) {
    for (std::size_t w = 0; w < ways.size(); w++) {
      const crypto::TrainKey& key = ways[w]->key;
      best[w] = std::min(best[w], nanoseconds_each(count, [&] {
                           open ? key.open(packets.open) : key.seal(packets.seal);
                         }));
    }
  }
  return best;
}

void table(const std::vector<std::unique_ptr<Way>>& ways, bool open) {
  std::string names;
  for (const auto& way : ways) names += (names.empty() ? "" : " / ") + way->name;
  fmt::print("\n| {}, ns a packet: {} |", open ? "opened" : "sealed", names);
  for (const std::size_t count : kCounts) fmt::print(" × {} |", count);
  fmt::print("\n|---|");
  for ([[maybe_unused]] const std::size_t count : kCounts) fmt::print("---|");
  for (const std::size_t size : {64, 128, 256, 512, 1024, 1420, 8900}) {
    fmt::print("\n| {} bytes |", size);
    for (const std::size_t count : kCounts) {
      std::string cell;
      for (const double best : measure(ways, size, count, open)) {
        cell += fmt::format("{}{:.0f}", cell.empty() ? "" : " / ", best);
      }
      fmt::print(" {} |", cell);
    }
  }
  fmt::print("\n");
}

}  // namespace

int main() {
  if (!crypto::initialise()) return 1;
  const crypto::SymmetricKey key;
  std::vector<std::unique_ptr<Way>> ways;
  const auto add = [&](const char* name) {
    crypto::choose_train_kernel(name);
    ways.push_back(std::unique_ptr<Way>(
        new Way{.name = name == std::string("library") ? crypto::train_library() : name,
                .key = crypto::TrainKey(key)}));
  };
  add("library");
  for (const train::Kernel* kernel : train::usable_kernels()) add(kernel->name);
  table(ways, false);
  table(ways, true);
}
