#include "protocol/tai64n.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"
#include "tests/printing.hpp"

using namespace wg::protocol;
using namespace wg::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(the_epoch_is_tai_ten_seconds_ahead) {
  BOOST_TEST(to_hex(tai64n(WallTime{}).bytes) == "400000000000000a00000000");
  BOOST_TEST(to_hex(tai64n(WallTime{1'700'000'000s + 5ns}).bytes) == "400000006553f10a00000005");
}

BOOST_AUTO_TEST_CASE(stamps_only_grow_whatever_the_wall_clock_does) {
  Tai64nClock clock;
  WallTime wall{1'700'000'000s};
  Tai64n last = clock.next(wall);
  for (const auto step : {0ns, 1ns, -3600s + 0ns, 1ms + 0ns, -1ns, 30ms + 0ns, 0ns}) {
    wall += step;
    const Tai64n next = clock.next(wall);
    BOOST_TEST(next > last);
    last = next;
  }
}

BOOST_AUTO_TEST_CASE(stamps_do_not_tell_the_exact_time) {
  Tai64nClock clock;
  const Tai64n stamp = clock.next(WallTime{1'700'000'000s + 123'456'789ns});
  BOOST_TEST(stamp == tai64n(WallTime{1'700'000'000s + 123'456'789ns -
                                      (1'700'000'000s + 123'456'789ns) % kTai64nStep}));
  // A later stamp of another clock within the same step is the same: the step's detail is gone.
  Tai64nClock other;
  BOOST_TEST(other.next(WallTime{1'700'000'000s + 123'456'790ns}) == stamp);
}
