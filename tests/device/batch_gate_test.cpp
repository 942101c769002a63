#include "device/batch_gate.hpp"

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

// Whoever changes one thing after the other must not be back at the gate before a worker that it
// held off has passed.
BOOST_AUTO_TEST_CASE(a_worker_that_was_held_off_passes_before_the_next_change) {
  constexpr std::uint64_t kChanges = 2000;
  BatchGate<Counted> gate(1);
  std::atomic<std::uint64_t> changes{0};
  std::atomic<bool> begun{false};
  std::uint64_t passes = 0;
  std::uint64_t overtaken = 0;
  std::thread worker([&] {
    gate.enter();
    while (changes < kChanges) {
      const std::uint64_t before = changes;
      const auto pass = gate.pass();
      begun = true;
      passes++;
      // One may be under way, and one more begin while the worker is on its way to the gate.
      if (pass->changes > before + 2) overtaken++;
    }
  });
  while (!begun) std::this_thread::yield();
  for (std::uint64_t i = 0; i < kChanges; i++) {
    const auto exclusive = gate.exclusive();
    changes = ++exclusive->changes;
    for (const auto until = Clock::now() + 100us; Clock::now() < until;) {
    }
  }
  worker.join();
  // But for when the scheduler took the worker's core between its look and its call.
  BOOST_TEST(overtaken * 20 <= passes);
  BOOST_TEST(passes > kChanges / 4);
}

BOOST_AUTO_TEST_CASE(a_sliced_change_lets_go_of_the_gate_in_between) {
  BatchGate<Counted> gate(1);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> seen{0};
  std::thread worker([&] {
    gate.enter();
    while (!done) seen = gate.pass()->changes;
  });
  {
    SlicedChange change(gate);
    while (seen == 0) change.next().changes++;  // or never
  }
  done = true;
  worker.join();
  BOOST_TEST(seen.load() > 0u);
}
