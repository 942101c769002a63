#include "device/timer_wheel.hpp"

#include <boost/test/unit_test.hpp>

#include "device/clock.hpp"
#include "tests/printing.hpp"

using namespace wg::device;
using namespace std::chrono_literals;
using wg::protocol::Instant;

namespace {

struct Client final : TimerWheel::Client {
  std::vector<Instant> fired;
  void timer_fired() noexcept override { fired.push_back(now()); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_client_is_called_once_and_never_early) {
  boost::asio::io_context context(1);
  TimerWheel wheel(context);
  Client soon, later;
  const Instant start = now();
  wheel.arm(later, start + 120ms);
  wheel.arm(soon, start + 30ms);
  wheel.arm(soon, start + 90ms);  // later than it is armed for: looked at at the first
  context.run_for(200ms);
  BOOST_REQUIRE(soon.fired.size() == 1u);
  BOOST_REQUIRE(later.fired.size() == 1u);
  BOOST_TEST(soon.fired[0] >= start + 30ms);
  BOOST_TEST(later.fired[0] >= start + 120ms);
}

BOOST_AUTO_TEST_CASE(a_deadline_that_has_passed_is_due_at_once) {
  boost::asio::io_context context(1);
  TimerWheel wheel(context);
  Client client;
  wheel.arm(client, now() - 1h);
  context.run_for(100ms);
  BOOST_TEST(client.fired.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_disarmed_client_is_not_called) {
  boost::asio::io_context context(1);
  TimerWheel wheel(context);
  Client client;
  wheel.arm(client, now() + 20ms);
  wheel.disarm(client);
  context.run_for(60ms);
  BOOST_TEST(client.fired.empty());
}

BOOST_AUTO_TEST_CASE(a_sooner_deadline_moves_a_client_forward) {
  boost::asio::io_context context(1);
  TimerWheel wheel(context);
  Client client;
  wheel.arm(client, now() + 1h);  // farther than the wheel turns
  wheel.arm(client, now() + 20ms);
  context.run_for(100ms);
  BOOST_TEST(client.fired.size() == 1u);
}

BOOST_AUTO_TEST_CASE(with_nothing_armed_nothing_wakes_up) {
  boost::asio::io_context context(1);
  TimerWheel wheel(context);
  BOOST_TEST(context.run_for(100ms) == 0u);
}
