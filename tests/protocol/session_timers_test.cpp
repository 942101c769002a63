// Each row of the table in session_timers.hpp, and the lines of the whitepaper's section 6.
#include "protocol/session_timers.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/printing.hpp"

using namespace wg::protocol;
using namespace std::chrono_literals;

namespace {

constexpr Instant kStart{1000s};

}  // namespace

BOOST_AUTO_TEST_CASE(nothing_is_due_by_itself) {
  SessionTimers timers;
  BOOST_TEST(timers.next() == kNever);
  const DueTimers due = timers.expire(kStart + 24h);
  BOOST_TEST(!(due.initiate || due.keepalive || due.gave_up || due.wipe));
}

BOOST_AUTO_TEST_CASE(a_keepalive_answers_data_after_ten_seconds_of_silence) {
  SessionTimers timers;
  timers.data_received(kStart);
  BOOST_TEST(timers.next() == kStart + 10s);
  BOOST_TEST(!timers.expire(kStart + 10s - 1ns).keepalive);
  BOOST_TEST(timers.expire(kStart + 10s).keepalive);
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(the_keepalive_counts_from_the_first_data_and_owes_one_more_for_the_rest) {
  SessionTimers timers;
  timers.data_received(kStart);
  timers.data_received(kStart + 9s);
  BOOST_TEST(timers.next() == kStart + 10s);
  BOOST_TEST(timers.expire(kStart + 10s).keepalive);
  BOOST_TEST(timers.next() == kStart + 20s);
  BOOST_TEST(timers.expire(kStart + 20s).keepalive);
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(whatever_is_sent_makes_the_keepalive_needless) {
  SessionTimers timers;
  timers.data_received(kStart);
  timers.any_authenticated_sent();
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(a_new_handshake_begins_fifteen_seconds_after_unanswered_data) {
  SessionTimers timers;
  timers.data_sent(kStart);
  BOOST_TEST(timers.next() >= kStart + 15s);
  BOOST_TEST(timers.next() <= kStart + 15s + 333ms);
  timers.data_sent(kStart + 5s);  // still from the first
  BOOST_TEST(timers.next() <= kStart + 15s + 333ms);
  BOOST_TEST(!timers.expire(kStart + 15s - 1ns).initiate);
  const DueTimers due = timers.expire(kStart + 15s + 334ms);
  BOOST_TEST(due.initiate);
  BOOST_TEST(due.peer_unresponsive);
}

BOOST_AUTO_TEST_CASE(any_authenticated_packet_calls_the_new_handshake_off) {
  SessionTimers timers;
  timers.data_sent(kStart);
  timers.any_authenticated_received();
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(the_jitter_spreads_retries_over_a_third_of_a_second) {
  auto least = 1h + 0ns;
  auto most = 0ns;
  for (int i = 0; i < 2000; i++) {
    SessionTimers timers;
    timers.initiation_sent(kStart);
    least = std::min(least, timers.next() - kStart);
    most = std::max(most, timers.next() - kStart);
  }
  BOOST_TEST(least >= 5s);
  BOOST_TEST(least < 5s + 20ms);
  BOOST_TEST(most <= 5s + 333ms);
  BOOST_TEST(most > 5s + 313ms);
}

// A packet that arms the timer must not ask the kernel for random numbers; the next session has
// another jitter.
BOOST_AUTO_TEST_CASE(the_jitter_of_a_new_handshake_is_drawn_once_a_session) {
  std::set<std::chrono::nanoseconds> of_sessions;
  SessionTimers timers;
  for (int session = 0; session < 100; session++) {
    timers.session_derived(kStart);
    std::set<std::chrono::nanoseconds> of_packets;
    for (int packet = 0; packet < 20; packet++) {
      timers.data_sent(kStart);
      of_packets.insert(timers.next() - kStart);
      timers.any_authenticated_received();
    }
    BOOST_TEST(of_packets.size() == 1u);
    of_sessions.insert(of_packets.begin(), of_packets.end());
  }
  BOOST_TEST(of_sessions.size() > 50u);
  BOOST_TEST(*of_sessions.begin() >= 15s);
  BOOST_TEST(*of_sessions.rbegin() <= 15s + 333ms);
}

BOOST_AUTO_TEST_CASE(an_unanswered_initiation_is_repeated_for_ninety_seconds_and_then_given_up) {
  SessionTimers timers;
  Instant now = kStart;
  timers.initiation_sent(now);
  int retries = 0;
  for (;;) {
    now = timers.next();
    const DueTimers due = timers.expire(now);
    if (due.gave_up) break;
    BOOST_TEST(due.initiate);
    retries++;
    timers.initiation_sent(now);
  }
  BOOST_TEST(retries == 17);  // with the first, 18 initiations in 90 s
  BOOST_TEST(now - kStart >= kRekeyAttemptTime);
  BOOST_TEST(now - kStart <= kRekeyAttemptTime + 18 * 333ms);
  BOOST_TEST(timers.next() == now + kWipeAfterTime);  // what is left of old keys goes then
}

BOOST_AUTO_TEST_CASE(how_long_a_peer_is_called_counts_from_the_first_call_without_an_answer) {
  SessionTimers timers;
  BOOST_TEST(timers.unanswered_since() == kNever);
  timers.initiation_sent(kStart);
  timers.initiation_sent(kStart + 6s);
  BOOST_TEST(timers.unanswered_since() == kStart);
  timers.handshake_complete();
  BOOST_TEST(timers.unanswered_since() == kNever);
  timers.initiation_sent(kStart + 120s);
  BOOST_TEST(timers.unanswered_since() == kStart + 120s);
}

BOOST_AUTO_TEST_CASE(waiting_data_begins_the_ninety_seconds_anew) {
  SessionTimers timers;
  Instant now = kStart;
  timers.initiation_sent(now);
  for (int i = 0; i < 100; i++) {
    now = timers.next();
    timers.data_waiting();
    BOOST_TEST(timers.expire(now).initiate);
    timers.initiation_sent(now);
  }
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_handshake_that_cannot_begin_is_dropped_after_ninety_seconds) {
  SessionTimers timers;
  timers.handshake_impossible(kStart);
  timers.handshake_impossible(kStart + 60s);  // more of it puts nothing off
  BOOST_TEST(timers.next() == kStart + kRekeyAttemptTime);
  BOOST_TEST(!timers.expire(kStart + kRekeyAttemptTime - 1ms).drop_staged);
  const DueTimers due = timers.expire(kStart + kRekeyAttemptTime);
  BOOST_TEST(due.drop_staged);
  BOOST_TEST(!due.gave_up);
  BOOST_TEST(timers.next() == kNever);

  timers.handshake_impossible(kStart);
  timers.initiation_sent(kStart + 1s);  // it can, now: its own ninety seconds count
  BOOST_TEST(!timers.expire(kStart + kRekeyAttemptTime).drop_staged);
}

BOOST_AUTO_TEST_CASE(a_complete_handshake_ends_the_retries) {
  SessionTimers timers;
  timers.initiation_sent(kStart);
  BOOST_TEST(timers.initiation_pending());
  timers.handshake_complete();
  BOOST_TEST(!timers.initiation_pending());
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(persistent_keepalives_come_only_when_nothing_else_moves) {
  SessionTimers timers;
  timers.set_persistent_keepalive(25s, kStart);
  BOOST_TEST(timers.next() == kStart + 25s);
  timers.any_authenticated_traversal(kStart + 20s);
  BOOST_TEST(!timers.expire(kStart + 25s).keepalive);
  BOOST_TEST(timers.next() == kStart + 45s);
  BOOST_TEST(timers.expire(kStart + 45s).keepalive);
  timers.set_persistent_keepalive(0s, kStart + 45s);
  timers.any_authenticated_traversal(kStart + 46s);
  BOOST_TEST(timers.next() == kNever);
}

BOOST_AUTO_TEST_CASE(everything_is_wiped_540_seconds_after_the_last_session_began) {
  SessionTimers timers;
  timers.session_derived(kStart);
  timers.session_derived(kStart + 100s);
  BOOST_TEST(!timers.expire(kStart + 540s).wipe);
  BOOST_TEST(timers.expire(kStart + 640s).wipe);
}

BOOST_AUTO_TEST_CASE(stopping_idles_all_but_keeps_the_interval) {
  SessionTimers timers;
  timers.set_persistent_keepalive(25s, kStart);
  timers.data_received(kStart);
  timers.data_sent(kStart);
  timers.initiation_sent(kStart);
  timers.session_derived(kStart);
  timers.stop();
  BOOST_TEST(timers.next() == kNever);
  BOOST_TEST(timers.persistent_keepalive() == 25s);
}
