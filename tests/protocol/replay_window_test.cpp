#include "protocol/replay_window.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <set>

#include "protocol/constants.hpp"

using namespace wg::protocol;

BOOST_AUTO_TEST_CASE(a_counter_is_accepted_once) {
  ReplayWindow window;
  for (const std::uint64_t counter : {0u, 1u, 5u, 4u, 3u, 2u}) {
    BOOST_TEST(window.accept(counter));
    BOOST_TEST(!window.accept(counter));
  }
}

BOOST_AUTO_TEST_CASE(reordering_by_up_to_8128_is_no_replay) {
  ReplayWindow window;
  BOOST_TEST(window.accept(ReplayWindow::kUsableBits));
  BOOST_TEST(window.accept(1));   // 8127 behind
  BOOST_TEST(!window.accept(0));  // 8128 behind
  BOOST_TEST(window.accept(2));
}

BOOST_AUTO_TEST_CASE(a_jump_forgets_all_that_is_behind_the_window_and_nothing_else) {
  ReplayWindow window;
  BOOST_TEST(window.accept(10));
  BOOST_TEST(window.accept(1'000'000));
  BOOST_TEST(!window.accept(10));
  BOOST_TEST(window.accept(1'000'000 - 8127));
  BOOST_TEST(!window.accept(1'000'000 - 8127));
  BOOST_TEST(!window.accept(1'000'000 - 8128));
}

BOOST_AUTO_TEST_CASE(counters_end_at_reject_after_messages) {
  ReplayWindow window;
  BOOST_TEST(window.accept(kRejectAfterMessages - 1));
  BOOST_TEST(!window.accept(kRejectAfterMessages));
  BOOST_TEST(!window.accept(kRejectAfterMessages + 1));
  BOOST_TEST(!window.accept(~0ULL));
  BOOST_TEST(kRejectAfterMessages == 0xffffffffffffdfffULL);  // 2^64 − 2^13 − 1
}

BOOST_AUTO_TEST_CASE(the_window_agrees_with_a_set_of_all_counters_seen) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20; round++) {
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t greatest = 0;
    for (int i = 0; i < 20'000; i++) {
      const std::uint64_t reach = random() % 10 == 0 ? 20'000 : 300;
      const std::uint64_t base = greatest > reach / 2 ? greatest - reach / 2 : 0;
      const std::uint64_t counter = base + random() % reach;
      const bool too_old = counter + ReplayWindow::kUsableBits <= greatest && !seen.empty();
      const bool expected = !too_old && seen.insert(counter).second;
      BOOST_REQUIRE(window.accept(counter) == expected);
      if (expected) greatest = std::max(greatest, counter);
    }
  }
}
