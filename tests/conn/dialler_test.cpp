// The dialler's table, a test for each row; and how long it pauses.
#include "conn/dialler.hpp"

#include "tests/conn/stream_node.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

namespace {

using State = Dialler::State;
const SendQueue::Instant kStart{1h};

/// Never started: it only stands for one.
struct Nobody final : StreamConnection::Owner {
  void connected(const StreamConnectionPtr&) override {}
  void readable(const StreamConnectionPtr&) override {}
  void dropped(const StreamConnectionPtr&, std::size_t) override {}
  void ended(const StreamConnectionPtr&, const std::string&) override {}
};

struct Dialling {
  boost::asio::io_context context{1};
  Nobody owner;
  Dialler dialler{at(51820)};

  Dialling() = default;
  /// In that state already, with nothing that waits.
  explicit Dialling(State state) {
    if (state == State::Calling) dialler.called(connection());
    if (state == State::Pausing) dialler.call_failed();
    BOOST_TEST_REQUIRE(dialler.state() == state);
  }
  StreamConnectionPtr connection() {
    return std::make_shared<StreamConnection>(owner, context, 0, unconnected(), dialler.to(),
                                              StreamConnection::Phase::Connecting);
  }
  /// Returns how many older ones gave way.
  std::size_t wait(const Bytes& message) {
    const OutgoingTrain train{.bytes = message, .segment_size = message.size(), .traffic_class = 0};
    Datagrams datagrams({&train, 1});
    SendOutcome outcome;
    return dialler.wait(datagrams, kStart, outcome);
  }
};

SendQueue one_message() {
  SendQueue queue;
  const Bytes message = data(20);
  (void)queue.push(frame_header(message), message, kStart);
  return queue;
}

}  // namespace

BOOST_AUTO_TEST_CASE(idle_and_something_waits_it_is_called_for) {
  Dialling d;
  BOOST_TEST(!d.dialler.wants_call());
  d.wait(data(20));
  BOOST_TEST(d.dialler.wants_call());
  BOOST_TEST(d.dialler.take_waiting().frames() == 1u);
  const StreamConnectionPtr connection = d.connection();
  d.dialler.called(connection);
  BOOST_TEST(d.dialler.state() == State::Calling);
  BOOST_TEST(d.dialler.connection() == connection);
  BOOST_TEST(!d.dialler.wants_call());
}

BOOST_AUTO_TEST_CASE(idle_and_the_attempt_fails_at_once_it_pauses_and_what_waits_goes_on_waiting) {
  Dialling d;
  d.wait(data(20));
  d.dialler.call_failed();
  BOOST_TEST(d.dialler.state() == State::Pausing);
  BOOST_TEST(d.dialler.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(a_call_that_was_answered_and_ends_is_made_again_for_what_it_had_not_sent) {
  Dialling d(State::Calling);
  d.dialler.ended(one_message(), true);
  BOOST_TEST(d.dialler.state() == State::Idle);
  BOOST_TEST(d.dialler.connection() == nullptr);
  BOOST_TEST(d.dialler.wants_call());
  Dialling idle(State::Calling);
  idle.dialler.ended({}, true);
  BOOST_TEST(!idle.dialler.wants_call());
}

BOOST_AUTO_TEST_CASE(a_call_that_ends_unanswered_is_not_made_again_before_a_pause) {
  Dialling d(State::Calling);
  d.dialler.ended(one_message(), false);
  BOOST_TEST(d.dialler.state() == State::Pausing);
  BOOST_TEST(d.dialler.waiting() == 1u);
  BOOST_TEST(!d.dialler.wants_call());
}

BOOST_AUTO_TEST_CASE(in_a_pause_what_is_sent_waits_and_the_oldest_give_way) {
  Dialling d(State::Pausing);
  BOOST_TEST(d.wait(data(20)) == 0u);
  for (std::size_t i = 1; i < SendQueue::kDataFramesMax; i++) d.wait(data(20));
  BOOST_TEST(d.wait(data(20)) == 1u);
  BOOST_TEST(d.dialler.waiting() == SendQueue::kDataFramesMax);
  BOOST_TEST(d.dialler.state() == State::Pausing);
}

BOOST_AUTO_TEST_CASE(after_a_pause_it_is_called_for_what_is_not_too_old) {
  Dialling d(State::Pausing);
  d.wait(data(20));
  d.wait(initiation());
  BOOST_TEST(d.dialler.pause_over(kStart + SendQueue::kDataAgeMax + 1ms) == 1u);
  BOOST_TEST(d.dialler.state() == State::Idle);
  BOOST_TEST(d.dialler.wants_call());
  Dialling late(State::Pausing);
  late.wait(initiation());
  BOOST_TEST(late.dialler.pause_over(kStart + SendQueue::kHandshakeAgeMax + 1ms) == 1u);
  BOOST_TEST(late.dialler.state() == State::Idle);
  BOOST_TEST(!late.dialler.wants_call());
}

BOOST_AUTO_TEST_CASE(pauses_double_up_to_thirty_seconds_and_begin_anew_after_an_answer) {
  std::minstd_rand random(1);
  Dialler dialler(at(51820));
  const auto failed_pause = [&] {
    dialler.call_failed();
    const auto pause = dialler.pause(random);
    (void)dialler.pause_over(kStart);
    return pause;
  };
  auto whole = Dialler::kPauseMin;
  for (int i = 0; i < 10; i++) {
    const auto pause = failed_pause();
    BOOST_CHECK(pause <= whole && pause >= whole * 3 / 4);
    whole = std::min(2 * whole, Dialler::kPauseMax);
  }
  dialler.ended({}, true);
  BOOST_CHECK(failed_pause() <= Dialler::kPauseMin);
}
