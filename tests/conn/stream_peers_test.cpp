// Which connection a peer is reached on: what happens to it when connections come, end and are too
// many.
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <thread>

#include "conn/stream_bind.hpp"
#include "tests/conn/stream_node.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

namespace {

/// A listening bind, and the connections of one peer to it, each of which has said something.
struct Listening {
  boost::asio::io_context context{1};
  Node node{context};
  std::uint16_t port = node.listen();
  std::shared_ptr<Lost> peer = std::make_shared<Lost>();

  /// Connects and says something, which makes `node.last_source` its endpoint.
  Descriptor speaker() {
    Descriptor fd = stranger(port);
    speak(fd);
    return fd;
  }
  void speak(const Descriptor& fd) {
    const std::size_t before = node.messages.size();
    write_all(fd, framed(data(20)));
    BOOST_REQUIRE(until(context, [&] { return node.messages.size() == before + 1; }));
  }
  Endpoint roam_to(const Endpoint& current = {}) {
    return node.bind.roam_to(current, node.last_source, peer);
  }
};

/// A shard on a thread of its own: its peer roams to where messages come from, and all are
/// answered.
class ShardThread {
 public:
  ShardThread(boost::asio::io_context& context, StreamBind& bind, std::size_t shard,
              std::shared_ptr<ConnectionListener> peer)
      : context_(context), bind_(bind), shard_(shard), peer_(std::move(peer)) {
    wait();
    thread_ = std::jthread([this] { context_.run(); });
  }

 private:
  void wait() {
    bind_.async_readable(shard_, [this] {
      std::array<ReceivedTrain, kReceiveTrainsMax> trains;
      while (const std::size_t count = bind_.receive(shard_, room_, trains).trains) {
        for (const ReceivedTrain& train : std::span(trains).first(count)) {
          Endpoint to = current_ = bind_.roam_to(current_, train.source, peer_);
          const OutgoingTrain answer{
              .bytes = train.bytes, .segment_size = train.bytes.size(), .traffic_class = 0};
          (void)bind_.send(shard_, to, {&answer, 1});
        }
      }
      wait();
    });
  }

  boost::asio::io_context& context_;
  // Until the context is stopped: a shard without a connection has nothing else to wait for.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  StreamBind& bind_;
  const std::size_t shard_;
  std::shared_ptr<ConnectionListener> peer_;
  Endpoint current_;
  std::vector<std::byte> room_ = std::vector<std::byte>(kReceiveRoom);
  std::jthread thread_;
};

/// A peer that may be told on any thread.
struct Told final : ConnectionListener {
  void connection_lost(const Endpoint&, bool) override { count++; }
  std::atomic<int> count = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(connections_may_come_and_end_while_other_threads_roam_send_and_forget) {
  boost::asio::io_context one{1}, two{1};
  StreamBind bind(StreamNetwork::Tcp, {&one, &two}, silent());
  const std::uint16_t port = free_port();
  BOOST_TEST_REQUIRE(opened(bind, port) == port);
  const auto peer = std::make_shared<Told>();
  {
    const ShardThread first(one, bind, 0, peer), second(two, bind, 1, peer);
    Bytes frames = framed(data(1000));
    const Bytes beginning(frames.begin(), frames.begin() + 500);
    frames.insert(frames.end(), beginning.begin(), beginning.end());
    std::size_t answers = 0;
    for (int i = 0; i < 200; i++) {
      const Descriptor fd = stranger(port);
      // Its end may come from `forget` at any moment.
      (void)::send(fd.get(), frames.data(), frames.size(), MSG_NOSIGNAL);
      if (i % 2 == 0) {
        Bytes answer(100);
        if (::recv(fd.get(), answer.data(), answer.size(), 0) > 0) answers++;
      }
      if (i % 10 == 9) bind.forget(*peer);
      (void)bind.reachable(at(port));
      (void)bind.lost_later();
    }
    BOOST_TEST(answers > 0u);
    bind.close();
    one.stop();
    two.stop();
  }
  BOOST_TEST(bind.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(a_peer_whose_accepted_connection_has_gone_stays_where_it_was) {
  Listening b;
  {
    const Descriptor gone = b.speaker();
  }
  BOOST_REQUIRE(until(b.context, [&] { return b.node.bind.connections() == 0; }));
  const Endpoint configured = at(free_port());
  BOOST_TEST(b.roam_to(configured).text() == configured.text());
  BOOST_TEST(!b.roam_to({}).known());
  BOOST_TEST(b.peer->count == 0);
}

BOOST_AUTO_TEST_CASE(a_peer_whose_dialled_connection_has_gone_is_dialled_again) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  a.dial_only();
  const std::uint16_t port = b.listen();
  a.send(at(port), data(20));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  b.send(b.last_source, data(21));
  BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1; }));
  b.bind.close();
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));
  const Endpoint reached = a.bind.roam_to({}, a.last_source, std::make_shared<Lost>());
  BOOST_TEST(reached.text() == at(port).text());
  BOOST_TEST(reached.connection().number == 0u);
}

BOOST_AUTO_TEST_CASE(a_call_that_ends_before_it_is_answered_is_told_to_the_peer_it_was_for) {
  boost::asio::io_context context{1};
  Node a(context);
  a.dial_only();
  const auto peer = std::make_shared<Lost>();
  const std::uint16_t port = free_port();
  {
    Node b(context);
    BOOST_TEST_REQUIRE(opened(b.bind, port) == port);
    b.bind.async_readable(0, [&] {
      std::array<ReceivedTrain, kReceiveTrainsMax> received;
      BOOST_REQUIRE(b.bind.receive(0, b.room, received).trains == 1);
      b.send(received[0].source, data(21));
    });
    a.send(at(port), data(20));
    BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1; }));
    (void)a.bind.roam_to(at(port), a.last_source, peer);
    b.bind.close();
    BOOST_REQUIRE(until(context, [&] { return peer->count == 1; }));
    BOOST_TEST(peer->endpoint.connection() == a.last_source.connection());
  }
  // The next call is taken, and hung up without a word.
  const auto listener = listen_on(StreamNetwork::Tcp4, port, 0);
  BOOST_REQUIRE(listener.has_value());
  a.send(at(port), initiation());
  std::optional<Accepted> call;
  BOOST_REQUIRE(until(context, [&] {
    call = accept_from(listener->front().get());
    return call.has_value();
  }));
  BOOST_REQUIRE(until(context, [&] {
    Bytes got(200);
    return ::recv(call->fd.get(), got.data(), got.size(), MSG_DONTWAIT) == 154;
  }));
  call.reset();
  BOOST_REQUIRE(until(context, [&] { return peer->count == 2; }));
  // As the peer knows it: it has never spoken on that connection.
  BOOST_TEST(peer->endpoint.identical(at(port)));
  BOOST_TEST(peer->dialled);
  a.send(at(port), initiation());
  BOOST_TEST(until(context, [&] { return accept_from(listener->front().get()).has_value(); }));
}

BOOST_AUTO_TEST_CASE(one_peer_keeps_four_connections_and_the_longest_silent_ends) {
  Listening b;
  std::vector<Descriptor> of_the_peer;
  for (int i = 0; i < 4; i++) {
    of_the_peer.push_back(b.speaker());
    (void)b.roam_to();
  }
  b.speak(of_the_peer[0]);
  const Endpoint current = b.roam_to();
  of_the_peer.push_back(b.speaker());
  (void)b.roam_to(current);
  BOOST_TEST(until(b.context, [&] { return closed(of_the_peer[1]); }));
  BOOST_TEST(b.node.bind.connections() == 4u);
  BOOST_TEST(!closed(of_the_peer[0]));
  BOOST_TEST(b.peer->count == 0);  // it is reached elsewhere
  // Another peer's are not counted.
  const Descriptor other = b.speaker();
  (void)b.node.bind.roam_to({}, b.node.last_source, std::make_shared<Lost>());
  BOOST_TEST(b.node.bind.connections() == 5u);
}

BOOST_AUTO_TEST_CASE(all_connections_of_a_peer_that_is_forgotten_end_and_nobody_elses) {
  Listening b;
  std::vector<Descriptor> of_the_peer;
  for (int i = 0; i < 3; i++) {
    of_the_peer.push_back(b.speaker());
    (void)b.roam_to();
  }
  const Descriptor other = b.speaker();
  (void)b.node.bind.roam_to({}, b.node.last_source, std::make_shared<Lost>());
  b.node.bind.forget(*b.peer);
  for (const Descriptor& fd : of_the_peer) {
    BOOST_TEST(until(b.context, [&] { return closed(fd); }));
  }
  BOOST_TEST(!closed(other));
  BOOST_TEST(b.node.bind.connections() == 1u);
  BOOST_TEST(b.peer->count == 0);
}

BOOST_AUTO_TEST_CASE(a_peer_that_is_forgotten_is_not_dialled_for_what_it_had_not_been_sent) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port = b.listen();
  a.dial_only();
  a.send(at(port), data(20));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  b.send(b.last_source, data(21));
  BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1; }));
  const auto peer = std::make_shared<Lost>();
  (void)a.bind.roam_to({}, a.last_source, peer);
  while (a.bind.lost_later() == 0) a.send(at(port), data(60'000));  // b does not run meanwhile
  const std::uint64_t before = a.bind.lost_later();
  a.bind.forget(*peer);
  BOOST_TEST(a.bind.connections() == 0u);
  BOOST_TEST(a.bind.lost_later() > before);
  BOOST_TEST(until(context, [&] { return b.bind.connections() == 0; }));
  run_for(context, 50ms);
  BOOST_TEST(b.bind.connections() == 0u);
  BOOST_TEST(peer->count == 0);
}

BOOST_AUTO_TEST_CASE(where_a_peer_is_reached_after_its_connection_is_lost) {
  boost::asio::io_context context{1};
  const Node node(context);
  const auto on = [](Endpoint endpoint, bool accepted) {
    endpoint.set_connection({.number = 7, .accepted = accepted});
    return endpoint;
  };
  const Endpoint unknown, address = at(1000), configured = at(2000);
  struct Row {
    const char* what;
    Endpoint current, configured, expected;
  };
  const Row rows[] = {
      {"unknown", unknown, configured, configured},
      {"unknown, none configured", unknown, unknown, unknown},
      {"no connection", address, configured, address},
      {"dialled", on(address, false), configured, address},
      {"dialled, none configured", on(address, false), unknown, address},
      {"accepted", on(address, true), configured, configured},
      {"accepted, none configured", on(address, true), unknown, unknown},
  };
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.what) {
      const Endpoint next = node.bind.after_loss(row.current, row.configured);
      BOOST_TEST(next.text() == row.expected.text());
      BOOST_TEST(next.connection().number == 0u);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_is_set_once_more_does_not_cost_the_live_connection) {
  Listening b;
  Descriptor speaker = b.speaker();
  const Endpoint current = b.roam_to();
  const Endpoint configured = at(1000), other = at(2000);
  const auto after = [&](const Endpoint& before, const Endpoint& now) {
    return b.node.bind.after_setting(current, before, now);
  };
  BOOST_TEST(b.node.bind.reachable(current));
  BOOST_TEST(after(configured, configured).identical(current));
  BOOST_TEST(after(configured, other).identical(other));
  BOOST_TEST(after({}, configured).identical(configured));
  BOOST_TEST(b.node.bind.after_setting(configured, configured, configured).identical(configured));
  speaker = {};
  BOOST_REQUIRE(until(b.context, [&] { return b.node.bind.connections() == 0; }));
  BOOST_TEST(!b.node.bind.reachable(current));
  BOOST_TEST(after(configured, configured).identical(configured));
  BOOST_TEST(b.node.bind.reachable(configured));
  BOOST_TEST(!b.node.bind.reachable({}));
}

BOOST_AUTO_TEST_CASE(to_let_go_what_was_configured_leaves_the_connection_that_was_accepted) {
  Listening b;
  const Descriptor speaker = b.speaker();
  const Endpoint current = b.roam_to();
  b.node.bind.release(at(1000));
  BOOST_TEST(b.node.bind.connections() == 1u);
  BOOST_TEST(b.node.bind.reachable(current));
  b.node.bind.release(current);
  BOOST_TEST(until(b.context, [&] { return closed(speaker); }));
  BOOST_TEST(b.peer->count == 0);
}

BOOST_AUTO_TEST_CASE(what_was_taken_and_could_not_be_sent_is_counted) {
  boost::asio::io_context context{1};
  Node a(context);
  a.dial_only();
  const std::uint16_t nobody = free_port();
  // Too old when the pause is over.
  a.send(at(nobody), data(20));
  BOOST_REQUIRE(until(context, [&] { return a.bind.lost_later() == 1; }));
  // Released, while it waits for a pause to be over.
  a.send(at(nobody), initiation());
  a.send(at(nobody), data(20));
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));
  BOOST_TEST(a.bind.lost_later() == 1u);
  a.bind.release(at(nobody));
  BOOST_TEST(a.bind.lost_later() == 3u);
  // Released, while it connects.
  a.send(at(nobody), data(20));
  a.bind.release(at(nobody));
  BOOST_TEST(a.bind.lost_later() == 4u);
  // The interface goes down.
  a.send(at(nobody), data(20));
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));
  a.bind.close();
  BOOST_TEST(a.bind.lost_later() == 5u);
}

BOOST_AUTO_TEST_CASE(what_waits_on_an_accepted_connection_is_lost_with_it) {
  Listening b;
  Descriptor speaker = b.speaker();
  const Endpoint current = b.roam_to();
  std::uint64_t before = 0;
  while ((before = b.node.bind.lost_later()) == 0) b.node.send(current, data(60'000));
  speaker = {};
  BOOST_REQUIRE(until(b.context, [&] { return b.node.bind.connections() == 0; }));
  BOOST_TEST(b.node.bind.lost_later() > before);
  BOOST_TEST(b.peer->count == 1);
}
