// The UDP bind over loopback sockets.
#include "conn/udp_bind.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>

#include "tests/bytes.hpp"
#include "tests/printing.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

namespace {

/// A bind of one shard that collects what it receives.
struct Node {
  boost::asio::io_context context{1};
  UdpBind bind{{&context}};
  std::vector<std::byte> room = std::vector<std::byte>(kReceiveRoom);
  std::vector<Bytes> datagrams;
  std::vector<std::size_t> trains;  // sizes of the trains they came in
  Endpoint last_source;
  Ecn last_ecn = Ecn::NotCapable;

  Node() { BOOST_REQUIRE(bind.open(0).has_value()); }

  /// Waits until `count` datagrams have come, two seconds at the most.
  void collect(std::size_t count) {
    boost::asio::steady_timer limit(context, 2s);
    limit.async_wait([&](const boost::system::error_code& error) {
      if (!error) context.stop();
    });
    wait(count);
    context.restart();
    context.run();
  }

 private:
  void wait(std::size_t count) {
    bind.async_readable(0, [this, count] {
      std::array<ReceivedTrain, kReceiveTrainsMax> received;
      while (const std::size_t n = bind.receive(0, room, received).trains) {
        for (const ReceivedTrain& train : std::span(received).first(n)) take(train);
      }
      if (datagrams.size() >= count) return context.stop();
      wait(count);
    });
  }
  void take(const ReceivedTrain& train) {
    trains.push_back(train.bytes.size());
    last_source = train.source;
    last_ecn = train.ecn;
    for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
      const auto bytes =
          train.bytes.subspan(at, std::min(train.segment_size, train.bytes.size() - at));
      datagrams.emplace_back(bytes.begin(), bytes.end());
    }
  }
};

Endpoint loopback(std::uint16_t port, bool v6 = false) {
  return *Endpoint::parse((v6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port));
}
std::uint16_t port_of(Node& node) {
  return *node.bind.open(0);
}
OutgoingTrain train_of(const Bytes& bytes, std::size_t segment, std::uint8_t traffic_class = 0) {
  return {.bytes = bytes, .segment_size = segment, .traffic_class = traffic_class};
}
Bytes numbered(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; i++) bytes[i] = static_cast<std::byte>(i / 7);
  return bytes;
}

/// Tests of numbers in control messages, which not every emulator of another CPU hands on right.
const boost::unit_test::label kControlMessages("control_messages");

}  // namespace

BOOST_AUTO_TEST_CASE(a_train_arrives_as_its_datagrams_in_both_families, *kControlMessages) {
  for (const bool v6 : {false, true}) {
    Node sender, receiver;
    Endpoint to = loopback(port_of(receiver), v6);
    const Bytes bytes = numbered(1452 * 40 + 700);
    const OutgoingTrain train = train_of(bytes, 1452);
    BOOST_TEST(sender.bind.send(0, to, {&train, 1}).failed_datagrams == 0u);
    receiver.collect(41);
    BOOST_TEST(receiver.datagrams.size() == 41u);
    Bytes joined;
    for (const Bytes& datagram : receiver.datagrams) {
      joined.insert(joined.end(), datagram.begin(), datagram.end());
    }
    BOOST_TEST(joined == bytes, per_element());
    BOOST_TEST(receiver.datagrams.front().size() == 1452u);
    BOOST_TEST(receiver.datagrams.back().size() == 700u);
  }
}

BOOST_AUTO_TEST_CASE(a_reply_leaves_from_the_address_that_was_spoken_to) {
  Node asking, answering;
  Endpoint to = *Endpoint::parse("127.0.0.77:" + std::to_string(port_of(answering)));
  const Bytes bytes = numbered(100);
  const OutgoingTrain train = train_of(bytes, 100);
  BOOST_TEST(asking.bind.send(0, to, {&train, 1}).failed_datagrams == 0u);
  answering.collect(1);
  BOOST_REQUIRE(answering.last_source.has_source());
  BOOST_TEST(answering.bind.send(0, answering.last_source, {&train, 1}).failed_datagrams == 0u);
  asking.collect(1);
  BOOST_TEST(asking.last_source.text().starts_with("127.0.0.77:"));
}

BOOST_AUTO_TEST_CASE(a_source_that_has_vanished_is_forgotten_and_the_message_sent_again,
                     *kControlMessages) {
  Node sender, receiver;
  Endpoint to = loopback(port_of(receiver));
  to.set_source({.address = in_addr{htonl(0xc0000201)}});  // 192.0.2.1: not ours
  const Bytes bytes = numbered(300);
  const OutgoingTrain train = train_of(bytes, 100);
  const SendOutcome outcome = sender.bind.send(0, to, {&train, 1});
  BOOST_TEST(outcome.source_forgotten);
  BOOST_TEST(outcome.failed_datagrams == 0u);
  BOOST_TEST(!to.has_source());
  receiver.collect(3);
  BOOST_TEST(receiver.datagrams.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_port_that_somebody_has_is_an_error_and_leaves_ours_as_it_was) {
  Node first, second;
  const std::uint16_t taken = port_of(first);
  const std::uint16_t ours = port_of(second);
  const auto refused = second.bind.open(taken);
  BOOST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().code().value() == EADDRINUSE);
  Endpoint to = loopback(ours);
  const Bytes bytes = numbered(10);
  const OutgoingTrain train = train_of(bytes, 10);
  first.bind.send(0, to, {&train, 1});
  second.collect(1);
  BOOST_TEST(second.datagrams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(several_shards_share_a_port_that_a_stranger_cannot_join) {
  boost::asio::io_context one(1), two(1), three(1);
  UdpBind bind({&one, &two});
  const auto port = bind.open(0);
  BOOST_REQUIRE(port.has_value());
  UdpBind stranger({&three});
  BOOST_TEST(!stranger.open(*port).has_value());
  UdpBind another({&one, &three});
  BOOST_TEST(!another.open(*port).has_value());
}

BOOST_AUTO_TEST_CASE(an_unreachable_peer_does_not_disturb_the_others) {
  Node sender, receiver;
  const Bytes bytes = numbered(100);
  const OutgoingTrain train = train_of(bytes, 100);
  Endpoint nobody = loopback(9);  // its ICMP error must not stick to the socket
  Endpoint forbidden = *Endpoint::parse("255.255.255.255:9");  // EACCES
  Endpoint to = loopback(port_of(receiver));
  for (int i = 0; i < 5; i++) {
    sender.bind.send(0, nobody, {&train, 1});
    const auto outcome = sender.bind.send(0, forbidden, {&train, 1});
    BOOST_TEST(outcome.failed_datagrams == 1u);
    BOOST_TEST(outcome.error != 0);
    BOOST_TEST(sender.bind.send(0, to, {&train, 1}).failed_datagrams == 0u);
  }
  receiver.collect(5);
  BOOST_TEST(receiver.datagrams.size() == 5u);
}

BOOST_AUTO_TEST_CASE(datagrams_of_the_greatest_size_arrive_whole) {
  Node sender, receiver;
  Endpoint to = loopback(port_of(receiver));
  const Bytes bytes = numbered(kTrainBytesMax);
  const OutgoingTrain train = train_of(bytes, bytes.size());
  BOOST_TEST(sender.bind.send(0, to, {&train, 1}).failed_datagrams == 0u);
  receiver.collect(1);
  BOOST_TEST(receiver.datagrams.size() == 1u);
  BOOST_TEST(receiver.datagrams.at(0) == bytes, per_element());
}

BOOST_AUTO_TEST_CASE(ecn_bits_travel_with_the_datagrams, *kControlMessages) {
  for (const bool v6 : {false, true}) {
    Node sender, receiver;
    Endpoint to = loopback(port_of(receiver), v6);
    const Bytes bytes = numbered(200);
    const OutgoingTrain train = train_of(bytes, 100, 3);
    sender.bind.send(0, to, {&train, 1});
    receiver.collect(2);
    BOOST_TEST(receiver.last_ecn == Ecn::CongestionExperienced);
  }
}

BOOST_AUTO_TEST_CASE(a_closed_bind_counts_what_it_cannot_send) {
  Node node;
  node.bind.close();
  const Bytes bytes = numbered(250);
  const OutgoingTrain train = train_of(bytes, 100);
  Endpoint to = loopback(9);
  const auto outcome = node.bind.send(0, to, {&train, 1});
  BOOST_TEST(outcome.failed_datagrams == 3u);
  BOOST_TEST(outcome.error == ENOTCONN);
}
