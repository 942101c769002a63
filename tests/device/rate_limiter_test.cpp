#include "device/rate_limiter.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg::device;
using namespace std::chrono_literals;
using wg::protocol::Instant;

BOOST_AUTO_TEST_CASE(a_source_gets_its_burst_and_then_its_rate) {
  RateLimiter limiter(20, 5);
  Instant now{100s};
  int allowed = 0;
  for (int i = 0; i < 100; i++) allowed += limiter.allow(1, now);
  BOOST_TEST(allowed == 5);
  allowed = 0;
  for (int i = 0; i < 1000; i++) {
    now += 1ms;
    allowed += limiter.allow(1, now);
  }
  BOOST_TEST(allowed == 20);
}

BOOST_AUTO_TEST_CASE(sources_do_not_share_their_tokens) {
  RateLimiter limiter(20, 5);
  const Instant now{100s};
  for (int i = 0; i < 100; i++) (void)limiter.allow(1, now);
  BOOST_TEST(limiter.allow(2, now));
}

BOOST_AUTO_TEST_CASE(two_thousand_sources_are_told_apart) {
  RateLimiter limiter(20, 5);
  const Instant now{100s};
  int allowed = 0;
  for (int round = 0; round < 50; round++) {
    for (std::uint64_t source = 0; source < 2000; source++) allowed += limiter.allow(source, now);
  }
  BOOST_TEST(allowed >= 2000 * 5);
  BOOST_TEST(allowed <= 2000 * 5 * 12 / 10);  // a few fall out of the table and begin anew
}
