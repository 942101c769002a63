// The stream bind over loopback TCP: with itself, and with strangers who write what they like.
#include "conn/stream_bind.hpp"

#include "tests/conn/stream_node.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_train_arrives_as_its_messages_and_the_answer_on_the_same_connection) {
  for (const bool v6 : {false, true}) {
    boost::asio::io_context context{1};
    Node a(context), b(context);
    const std::uint16_t port = b.listen();
    a.dial_only();
    Bytes train;
    for (std::uint8_t i = 0; i < 64; i++) {
      const Bytes one = data(i == 63 ? 700 : 1000, i);
      train.insert(train.end(), one.begin(), one.end());
    }
    BOOST_TEST(a.send(at(port, v6), train, 1000).failed_datagrams == 0u);
    BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 64; }));
    BOOST_TEST(b.messages[0] == data(1000, 0), per_element());
    BOOST_TEST(b.messages[63] == data(700, 63), per_element());
    BOOST_TEST(b.last_source.connection().accepted);
    BOOST_TEST(b.send(b.last_source, data(5)).failed_datagrams == 0u);
    BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1; }));
    BOOST_TEST(a.last_source == at(port, v6));
    BOOST_TEST(a.bind.connections() == 1u);
    BOOST_TEST(b.bind.connections() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(frames_cut_at_every_byte_are_put_together) {
  boost::asio::io_context context{1};
  Node b(context);
  const std::uint16_t port = b.listen();
  const Bytes message = data(40);
  Bytes stream = framed(message);
  const Bytes again = framed(data(30));
  stream.insert(stream.end(), again.begin(), again.end());
  std::size_t expected = 0;
  for (std::size_t cut = 1; cut < stream.size(); cut++) {
    const Descriptor fd = stranger(port);
    write_all(fd, std::span(stream).first(cut));
    context.restart();
    context.run_for(2ms);
    write_all(fd, std::span(stream).subspan(cut));
    expected += 2;
    BOOST_REQUIRE(until(context, [&] { return b.messages.size() == expected; }));
    BOOST_TEST_REQUIRE(b.messages[expected - 2] == message, per_element());
    BOOST_TEST_REQUIRE(b.messages.back() == data(30), per_element());
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_frame_closes_the_connection_and_no_other) {
  boost::asio::io_context context{1};
  Node b(context);
  const std::uint16_t port = b.listen();
  const Descriptor good = stranger(port);
  Bytes wrong = framed(data(40));
  wrong[10] ^= std::byte{1};
  for (const Bytes& garbage :
       {wrong, from_hex("0000"), from_hex("ffff"), text_bytes("GET / HTTP/1.1\r\n\r\n")}) {
    const Descriptor bad = stranger(port);
    Bytes bytes = framed(data(20));  // a good one before it is taken
    bytes.insert(bytes.end(), garbage.begin(), garbage.end());
    bytes.resize(std::max<std::size_t>(bytes.size(), 70'000), std::byte{0x55});
    (void)::send(bad.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    BOOST_TEST(until(context, [&] { return closed(bad); }));
  }
  BOOST_TEST(b.messages.size() == 4u);
  BOOST_TEST(b.malformed == 4u);
  write_all(good, framed(data(20)));
  BOOST_TEST(until(context, [&] { return b.messages.size() == 5u; }));
}

BOOST_AUTO_TEST_CASE(what_has_come_is_taken_though_its_connection_has_ended_since) {
  boost::asio::io_context context{1};
  StreamBind bind(StreamNetwork::Tcp, {&context}, silent());
  const std::uint16_t port = free_port();
  BOOST_TEST_REQUIRE(opened(bind, port) == port);
  bool ready = false;
  bind.async_readable(0, [&] { ready = true; });
  const Descriptor speaker = stranger(port);
  Bytes three = framed(data(20));
  for (int i = 0; i < 2; i++) {
    const Bytes next = framed(data(21));
    three.insert(three.end(), next.begin(), next.end());
  }
  write_all(speaker, three);
  BOOST_REQUIRE(until(context, [&] { return ready; }));
  std::vector<std::byte> room(kReceiveRoom);
  std::array<ReceivedTrain, 1> one;
  BOOST_REQUIRE(bind.receive(0, room, one).more);
  bind.release(one[0].source);
  BOOST_REQUIRE(until(context, [&] { return bind.connections() == 0; }));
  BOOST_TEST(bind.receive(0, room, one).trains == 1u);
  BOOST_TEST(bind.receive(0, room, one).trains == 1u);
  BOOST_TEST(bind.receive(0, room, one).trains == 0u);
}

BOOST_AUTO_TEST_CASE(unauthenticated_connections_of_one_source_are_64_and_the_oldest_gives_way) {
  boost::asio::io_context context{1};
  Node b(context);
  const std::uint16_t port = b.listen();
  std::vector<Descriptor> strangers;
  constexpr std::size_t kMost = UnauthenticatedBounds{}.of_one_source;
  for (std::size_t i = 0; i < kMost + 10; i++) {
    strangers.push_back(stranger(port));
    BOOST_REQUIRE(until(context, [&] {
      return i < kMost ? b.bind.connections() == i + 1 : closed(strangers[i - kMost]);
    }));
  }
  BOOST_TEST(b.bind.connections() == kMost);
  BOOST_TEST(!closed(strangers[10]));
}

BOOST_AUTO_TEST_CASE(who_is_authentic_does_not_give_way_and_hears_of_the_end) {
  boost::asio::io_context context{1};
  Node b(context);
  const std::uint16_t port = b.listen();
  Descriptor friendly = stranger(port);
  write_all(friendly, framed(data(20)));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  const auto lost = std::make_shared<Lost>();
  BOOST_TEST(b.bind.roam_to({}, b.last_source, lost).identical(b.last_source));
  std::vector<Descriptor> strangers;
  for (std::size_t i = 0; i < UnauthenticatedBounds{}.of_one_source + 1; i++) {
    strangers.push_back(stranger(port));
  }
  BOOST_REQUIRE(until(
      context, [&] { return b.bind.connections() == UnauthenticatedBounds{}.of_one_source + 1; }));
  BOOST_TEST(!closed(friendly));
  friendly = {};
  BOOST_REQUIRE(until(context, [&] { return lost->count == 1; }));
  BOOST_TEST(!lost->dialled);
  // Its endpoint is out of reach now, and that is said.
  const auto outcome = b.send(b.last_source, data(20));
  BOOST_TEST(outcome.failed_datagrams == 1u);
  BOOST_TEST(outcome.error == ENOTCONN);
}

BOOST_AUTO_TEST_CASE(what_is_sent_while_nobody_listens_arrives_when_somebody_does) {
  boost::asio::io_context context{1};
  Node a(context);
  a.dial_only();
  const std::uint16_t port = free_port();
  Bytes handshake(148, std::byte{0});
  handshake[0] = std::byte{1};
  BOOST_TEST(a.send(at(port), handshake).failed_datagrams == 0u);
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));  // refused
  Node b(context);
  BOOST_TEST_REQUIRE(opened(b.bind, port) == port);
  b.bind.async_readable(0, [&] {
    std::array<ReceivedTrain, kReceiveTrainsMax> received;
    for (std::size_t i = b.bind.receive(0, b.room, received).trains; i > 0; i--) {
      b.messages.emplace_back();
    }
  });
  BOOST_TEST(until(context, [&] { return b.messages.size() == 1; }));
}

BOOST_AUTO_TEST_CASE(a_broken_stream_is_dialled_again_and_told) {
  boost::asio::io_context context{1};
  Node a(context);
  a.dial_only();
  const auto lost = std::make_shared<Lost>();
  std::uint16_t port = 0;
  {
    Node b(context);
    port = b.listen();
    a.send(at(port), data(20));
    BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
    b.send(b.last_source, data(30));
    BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1; }));
    (void)a.bind.roam_to(at(port), a.last_source, lost);
    b.bind.close();
    BOOST_REQUIRE(until(context, [&] { return lost->count == 1; }));
    BOOST_TEST(lost->dialled);
    b.messages.clear();
    BOOST_TEST_REQUIRE(opened(b.bind, port) == port);
    a.send(at(port), data(21));  // at once: it had been a good connection
    BOOST_TEST(until(context, [&] { return b.messages.size() == 1; }));
    b.bind.close();
    context.restart();
    context.poll();
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_left_of_who_was_released) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port = b.listen();
  a.dial_only();
  a.send(at(port), data(20));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  a.bind.release(at(port));
  BOOST_TEST(a.bind.connections() == 0u);
  BOOST_TEST(until(context, [&] { return b.bind.connections() == 0; }));
  // Nor of an attempt that pauses.
  const std::uint16_t nobody = free_port();
  a.send(at(nobody), data(20));
  BOOST_REQUIRE(until(context, [&] { return a.bind.connections() == 0; }));
  a.bind.release(at(nobody));
  Node late(context);
  BOOST_TEST_REQUIRE(opened(late.bind, nobody) == nobody);
  context.restart();
  context.run_for(700ms);
  BOOST_TEST(late.bind.connections() == 0u);
}

BOOST_AUTO_TEST_CASE(when_both_dial_at_once_they_settle_on_one) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port_a = a.listen();
  const std::uint16_t port_b = b.listen();
  a.send(at(port_b), data(20));
  b.send(at(port_a), data(21));
  BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 1 && b.messages.size() == 1; }));
  BOOST_TEST(a.bind.connections() == 2u);
  // Each has its own connection in use, as the answers on it show, when the other's speaks up.
  const auto nobody = std::make_shared<Lost>();
  const Endpoint a_accepted = a.last_source, b_accepted = b.last_source;
  a.send(a_accepted, data(30));
  b.send(b_accepted, data(31));
  BOOST_REQUIRE(until(context, [&] { return a.messages.size() == 2 && b.messages.size() == 2; }));
  const Endpoint a_dialled = a.last_source, b_dialled = b.last_source;
  BOOST_TEST(!a_dialled.connection().accepted);
  BOOST_TEST(!b_dialled.connection().accepted);
  const Endpoint a_uses = a.bind.roam_to(a_dialled, a_accepted, nobody);
  const Endpoint b_uses = b.bind.roam_to(b_dialled, b_accepted, nobody);
  BOOST_TEST(a_uses.connection().accepted != b_uses.connection().accepted);
  // And the same the other way round.
  BOOST_TEST(a.bind.roam_to(a_accepted, a_dialled, nobody).connection() == a_uses.connection());
  BOOST_TEST(b.bind.roam_to(b_accepted, b_dialled, nobody).connection() == b_uses.connection());
}

BOOST_AUTO_TEST_CASE(a_stalled_peer_does_not_hold_up_another_one) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port = b.listen();
  a.dial_only();
  // A listener that accepts and never reads.
  const std::uint16_t stalled_port = free_port();
  const auto stalled = listen_on(StreamNetwork::Tcp4, stalled_port, 0);
  BOOST_REQUIRE(stalled.has_value());
  a.send(at(stalled_port), data(20));
  a.send(at(port), data(20));
  BOOST_REQUIRE(until(context, [&] { return b.messages.size() == 1; }));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; i++) a.send(at(stalled_port), data(1400));
  BOOST_TEST(a.bind.lost_later() > 1000u);  // it filled up, and nobody blocked
  BOOST_CHECK(std::chrono::steady_clock::now() - began < 5s);
  a.send(at(port), data(33));
  BOOST_TEST(until(context, [&] { return b.messages.size() == 2; }));
}

BOOST_AUTO_TEST_CASE(a_taken_port_is_told_and_all_stays_as_it_was) {
  boost::asio::io_context context{1};
  Node a(context), b(context);
  const std::uint16_t port = a.listen();
  const std::uint16_t own = b.listen();
  const auto refused = b.bind.open(port);
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().code().value() == EADDRINUSE);
  const Descriptor still_there = stranger(own);
  BOOST_TEST(until(context, [&] { return b.bind.connections() == 1; }));
}

BOOST_AUTO_TEST_CASE(endpoints_are_of_the_networks_family) {
  BOOST_TEST(parse_endpoint(StreamNetwork::Tcp, "[::1]:5").has_value());
  BOOST_TEST(!parse_endpoint(StreamNetwork::Tcp4, "[::1]:5").has_value());
  BOOST_TEST(!parse_endpoint(StreamNetwork::Tcp6, "127.0.0.1:5").has_value());
  BOOST_TEST(parse_endpoint(StreamNetwork::Vsock, "host(2):8172").has_value());
}
