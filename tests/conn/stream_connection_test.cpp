// A connection's table, a test for each row.
#include "conn/stream_connection.hpp"

#include "conn/stream_socket.hpp"
#include "tests/conn/stream_node.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;

namespace {

using Phase = StreamConnection::Phase;

struct Told final : StreamConnection::Owner {
  void connected(const StreamConnectionPtr&) override { connections++; }
  void readable(const StreamConnectionPtr&) override { readables++; }
  void dropped(const StreamConnectionPtr&, std::size_t frames) override { drops += frames; }
  void ended(const StreamConnectionPtr&, const std::string&) override { ends++; }
  int connections = 0;
  int readables = 0;
  std::size_t drops = 0;
  int ends = 0;
};

struct Line {
  boost::asio::io_context context{1};
  Told told;
  Descriptor other_side;  // of one that is open
  StreamConnectionPtr connection;

  explicit Line(Phase phase, std::uint16_t port = 0) {
    Descriptor fd;
    if (phase == Phase::Connecting) {
      fd = std::move(*begin_connect(at(port), 0));
    } else {
      int both[2];
      BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
      fd = Descriptor(both[0]);
      other_side = Descriptor(both[1]);
    }
    connection =
        std::make_shared<StreamConnection>(told, context, 0, std::move(fd), at(port), phase);
    connection->start();
  }
  SendOutcome send(const Bytes& message) const {
    const OutgoingTrain train{.bytes = message, .segment_size = message.size(), .traffic_class = 0};
    return connection->send({&train, 1});
  }
  /// What has come to the other side.
  [[nodiscard]] std::size_t arrived() const {
    Bytes bytes(100'000);
    const ssize_t got = ::recv(other_side.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    return got < 0 ? 0 : static_cast<std::size_t>(got);
  }
  [[nodiscard]] bool until_phase(Phase phase) {
    return until(context, [&] { return connection->phase() == phase; });
  }
};

struct Listener {
  std::uint16_t port = free_port();
  Result<std::vector<Descriptor>> sockets = listen_on(StreamNetwork::Tcp4, port, 0);
};

}  // namespace

BOOST_AUTO_TEST_CASE(connecting_and_send_the_message_waits_and_goes_out_when_it_is_open) {
  const Listener listener;
  Line line(Phase::Connecting, listener.port);
  BOOST_TEST(line.send(data(20)).failed_datagrams == 0u);
  BOOST_TEST(line.connection->phase() == Phase::Connecting);
  BOOST_TEST(!line.connection->was_open());
  BOOST_REQUIRE(line.until_phase(Phase::Open));
  BOOST_TEST(line.told.connections == 1);
  auto accepted = accept_from(listener.sockets->front().get());
  BOOST_REQUIRE(accepted.has_value());
  line.other_side = std::move(accepted->fd);
  BOOST_TEST(until(line.context, [&] { return line.arrived() == 26; }));
}

BOOST_AUTO_TEST_CASE(connecting_and_it_cannot_be_it_ends_with_what_waited) {
  Line line(Phase::Connecting, free_port());
  line.send(data(20));
  BOOST_REQUIRE(line.until_phase(Phase::Ended));
  BOOST_TEST(line.told.ends == 1);
  BOOST_TEST(line.told.connections == 0);
  BOOST_TEST(!line.connection->was_open());
  BOOST_TEST(line.connection->take_queue().frames() == 1u);
}

BOOST_AUTO_TEST_CASE(open_and_send_it_is_written_or_waits) {
  Line line(Phase::Open);
  BOOST_TEST(line.send(data(20)).failed_datagrams == 0u);
  BOOST_TEST(line.arrived() == 26u);
  while (line.told.drops == 0) line.send(data(60'000));
  // What gave way was older: nothing that was sent then has failed.
  BOOST_TEST(line.send(data(20)).failed_datagrams == 0u);
  BOOST_TEST(line.connection->phase() == Phase::Open);
  BOOST_TEST(line.told.ends == 0);
}

BOOST_AUTO_TEST_CASE(open_and_bytes_come_it_is_readable) {
  Line line(Phase::Open);
  write_all(line.other_side, framed(data(20)));
  BOOST_REQUIRE(until(line.context, [&] { return line.told.readables == 1; }));
  std::vector<std::byte> room(kFrameMax + 1000);
  bool full = false;
  BOOST_TEST(line.connection->read(room, full).size() == 26u);
  BOOST_TEST(!full);
  BOOST_TEST(line.connection->phase() == Phase::Open);
}

BOOST_AUTO_TEST_CASE(open_and_the_other_side_closes_it_ends) {
  Line line(Phase::Open);
  line.other_side = {};
  BOOST_REQUIRE(until(line.context, [&] { return line.told.readables == 1; }));
  std::vector<std::byte> room(kFrameMax + 1000);
  bool full = false;
  BOOST_TEST(line.connection->read(room, full).empty());
  BOOST_TEST(line.connection->phase() == Phase::Ended);
  BOOST_TEST(line.told.ends == 1);
  BOOST_TEST(line.connection->was_open());
}

BOOST_AUTO_TEST_CASE(whatever_has_not_ended_is_ended_once) {
  const Listener listener;
  for (const Phase phase : {Phase::Connecting, Phase::Open}) {
    Line line(phase, listener.port);
    line.connection->end("the test says so");
    line.connection->end("and again");
    BOOST_TEST(line.connection->phase() == Phase::Ended);
    BOOST_TEST(line.told.ends == 1);
    run_for(line.context, std::chrono::milliseconds(10));
    BOOST_TEST(line.told.connections == 0);
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_to_end_when_it_is_quiet_ends_then_and_not_before) {
  Line line(Phase::Open);
  line.connection->end_when_quiet(std::chrono::milliseconds(150), "quiet");
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 4; i++) {
    run_for(line.context, std::chrono::milliseconds(50));
    line.send(data(20));
  }
  BOOST_REQUIRE(line.until_phase(Phase::Ended));
  BOOST_CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(300));
  BOOST_TEST(line.told.ends == 1);
}

BOOST_AUTO_TEST_CASE(ended_and_send_it_is_refused) {
  Line line(Phase::Open);
  line.connection->end("the test says so");
  const SendOutcome outcome = line.send(data(20));
  BOOST_TEST(outcome.failed_bytes == 20u);
  BOOST_TEST(outcome.failed_datagrams == 1u);
  BOOST_TEST(outcome.error == ENOTCONN);
  BOOST_TEST(line.told.ends == 1);
}

BOOST_AUTO_TEST_CASE(ended_and_anything_else_nothing_happens) {
  Line line(Phase::Open);
  line.connection->end("the test says so");
  std::vector<std::byte> room(kFrameMax + 1000);
  bool full = true;
  BOOST_TEST(line.connection->read(room, full).empty());
  BOOST_TEST(!full);
  line.connection->wait_readable();
  BOOST_TEST(line.connection->set_mark(0).has_value());
  BOOST_TEST(!line.connection->local().known());
  // A peer cannot be told of an end that has been.
  BOOST_TEST(!line.connection->set_peer(std::make_shared<Lost>()));
  BOOST_TEST(!line.connection->authenticated());
  run_for(line.context, std::chrono::milliseconds(10));
  BOOST_TEST(line.told.readables == 0);
}
