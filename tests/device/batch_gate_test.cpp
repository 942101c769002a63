#include "device/batch_gate.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

using namespace wg::device;

BOOST_AUTO_TEST_CASE(a_change_is_alone_and_is_not_starved) {
  constexpr std::size_t kWorkers = 3;
  BatchGate gate(kWorkers);
  std::atomic<int> inside{0};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> batches{0};
  std::vector<std::thread> workers;
  for (std::size_t i = 0; i < kWorkers; i++) {
    workers.emplace_back([&, i] {
      while (!done) {
        const auto pass = gate.pass(i);
        inside++;
        batches++;
        inside--;
      }
    });
  }
  for (int change = 0; change < 200; change++) {
    const auto exclusive = gate.exclusive();
    BOOST_TEST(inside.load() == 0);
  }
  const auto before = batches.load();
  while (batches.load() <= before + 100) std::this_thread::yield();  // the workers go on afterwards
  done = true;
  for (auto& worker : workers) worker.join();
}
