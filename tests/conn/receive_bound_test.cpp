#include "conn/receive_bound.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg::conn;
using namespace std::chrono_literals;

namespace {

/// A socket that is emptied at a steady rate for a second, a millisecond's worth at a time.
struct Socket {
  ReceiveBound bound;
  ReceiveBound::Clock::time_point now{1000s};
  int value = ReceiveBound::kMost;
  int changes = 0;

  void receive(std::size_t bytes_per_second, bool more = true) {
    for (int i = 0; i < 1000; i++) {
      now += 1ms;
      const auto changed = bound.received(bytes_per_second / 1000, more, now);
      if (!changed) continue;
      value = *changed;
      changes++;
    }
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_socket_holds_what_is_taken_out_of_it_in_ten_milliseconds) {
  // Twice the value is what the kernel accounts for, and a datagram occupies its size at least.
  for (const std::size_t rate : {100'000'000u, 200'000'000u, 350'000'000u}) {
    Socket socket;
    socket.receive(rate);
    const double waits = 2.0 * socket.value / static_cast<double>(rate);
    BOOST_TEST(waits < 0.013);
    BOOST_TEST(waits > 0.007);
    BOOST_TEST(socket.changes == 1);
  }
}

BOOST_AUTO_TEST_CASE(it_grows_again_when_it_is_emptied_faster) {
  Socket socket;
  socket.receive(50'000'000);
  const int slow = socket.value;
  socket.receive(300'000'000);
  BOOST_TEST(socket.value > 4 * slow);
}

BOOST_AUTO_TEST_CASE(it_stays_between_its_bounds) {
  Socket crawling, racing;
  crawling.receive(1'000'000);
  BOOST_TEST(crawling.value == ReceiveBound::kLeast);
  racing.receive(4'000'000'000);
  BOOST_TEST(racing.value == ReceiveBound::kMost);
  BOOST_TEST(racing.changes == 0);
}

BOOST_AUTO_TEST_CASE(a_socket_that_runs_dry_tells_nothing_of_its_reader) {
  Socket socket;
  socket.receive(1'000'000, false);
  BOOST_TEST(socket.changes == 0);
  // Neither does one that was busy for a moment now and then.
  for (int i = 0; i < 100; i++) {
    for (int k = 0; k < 40; k++) {
      BOOST_TEST(!socket.bound.received(1000, k < 39, socket.now += 1ms));
    }
  }
}
