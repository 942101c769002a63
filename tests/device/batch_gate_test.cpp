#include "device/batch_gate.hpp"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

using namespace wg::device;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

struct Counted {
  std::uint64_t changes = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_change_is_alone_and_is_not_starved) {
  constexpr std::size_t kWorkers = 3;
  BatchGate<Counted> gate(kWorkers);
  std::atomic<int> inside{0};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> batches{0};
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < kWorkers; i++) {
    workers.emplace_back([&] {
      gate.enter();
      while (!done) {
        const auto pass = gate.pass();
        inside++;
        batches += pass->changes > 0 ? 1 : 1;
        inside--;
      }
    });
  }
  for (int change = 0; change < 200; change++) {
    const auto exclusive = gate.exclusive();
    BOOST_TEST(inside.load() == 0);
    exclusive->changes++;
  }
  BOOST_TEST(gate.owners_view().changes == 200u);
  const auto before = batches.load();
  while (batches.load() <= before + 100) std::this_thread::yield();  // the workers go on afterwards
  done = true;
  for (auto& worker : workers) worker.join();
}

// A worker that wants to pass while somebody changes one thing after the other.
BOOST_AUTO_TEST_CASE(a_long_change_in_slices_lets_the_workers_in) {
  BatchGate<Counted> gate(1);
  std::atomic<bool> done{false};
  std::vector<Clock::duration> waits;
  std::thread worker([&] {
    gate.enter();
    while (!done) {
      const auto before = Clock::now();
      {
        const auto pass = gate.pass();
      }
      waits.push_back(Clock::now() - before);
    }
  });
  {
    SlicedChange change(gate);
    const auto end = Clock::now() + 1s;
    while (Clock::now() < end) {
      change.next().changes++;
      for (const auto until = Clock::now() + 10us; Clock::now() < until;) {
      }
    }
  }
  done = true;
  worker.join();
  // Each slice lasts half a millisecond. A worker passes between any two of them but for what the
  // scheduler does to it: so about 2,000 times in that second.
  std::ranges::sort(waits, std::greater{});
  const auto held_off = std::ranges::count_if(waits, [](auto wait) { return wait > 200us; });
  BOOST_TEST(held_off > 100);
}
