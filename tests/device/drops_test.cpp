// Every reason to drop, provoked: a device on one side, a hand-driven peer on the other.
#include <boost/test/unit_test.hpp>

#include <set>
#include "tests/device/fakes.hpp"
#include "tests/printing.hpp"
#include "tests/protocol/two_peers.hpp"
#include "tests/tun/packets.hpp"

using namespace wg;
using namespace wg::device;
using namespace wg::test;
using namespace wg::protocol;

namespace {

const conn::Endpoint kRemoteAddress = *conn::Endpoint::parse("192.0.2.7:7");

bool is_initiation(const Bytes& bytes) {
  return bytes.size() == sizeof(Initiation);
}
bool is_response(const Bytes& bytes) {
  return bytes.size() == sizeof(Response);
}

/// A device (10.0.0.1) with a peer (10.0.0.2) that the test plays itself.
struct Bench {
  TestDevice ours;
  Side remote{crypto::generate_private_key()};
  Instant now{1000s};
  WallTime wall{std::chrono::seconds(1'800'000'000)};

  Bench() {
    ours.add_peer(remote.identity.public_key, {"10.0.0.2/32"}, "192.0.2.7:7");
    remote.session.emplace(remote.registry, ours.public_key, remote);
  }
  ~Bench() { ours.device.set_down(); }

  Initiation initiation() {
    now += 1s;
    wall += 1s;
    return remote.session->initiate(remote.identity, now, wall).value();
  }
  void arrives(Bytes bytes, conn::Ecn ecn = conn::Ecn::NotCapable) {
    ours.bind.arrives(std::move(bytes), kRemoteAddress, ecn);
  }
  /// The remote initiates; afterwards both have a session.
  void shake_hands() {
    arrives(bytes_from(initiation()));
    auto answer = ours.bind.next_sent(is_response);
    BOOST_REQUIRE(answer.has_value());
    const auto message = protocol::parse_message(answer->bytes);
    BOOST_REQUIRE(remote.session->finish(remote.identity, *std::get<const Response*>(message), now)
                      .has_value());
    arrives(remote.seal({}, now)->bytes);
  }
  void remote_sends(const Bytes& inner, conn::Ecn ecn = conn::Ecn::NotCapable) {
    arrives(remote.seal(inner, now)->bytes, ecn);
  }
};

/// Of somebody who is no peer, to be sent over and over: its mac1 is right, and opening it costs us
/// an X25519 each time.
Bytes strange_initiation(const Bench& bench) {
  Side stranger(crypto::generate_private_key());
  stranger.session.emplace(stranger.registry, bench.ours.public_key, stranger);
  return bytes_from(stranger.session->initiate(stranger.identity, bench.now, bench.wall).value());
}

/// Lets `flood` arrive from `source_of(i)`, more and more of it, until `done`; false if that does
/// not happen.
template <class SourceOf, class Done>
bool flood_until(Bench& bench, const Bytes& flood, SourceOf source_of, Done done) {
  int i = 0;
  return eventually([&] {
    for (const int end = i + 500; i < end; i++) bench.ours.bind.arrives(flood, source_of(i));
    return done();
  });
}

/// Another source address for each number.
conn::Endpoint from_everywhere(int i) {
  return *conn::Endpoint::parse("203." + std::to_string(i / 62'500) + "." +
                                std::to_string(i / 250 % 250) + "." + std::to_string(i % 250) +
                                ":9");
}

}  // namespace

BOOST_AUTO_TEST_CASE(inner_malformed) {
  Bench bench;
  bench.ours.tun.host_sends(Bytes(10, std::byte{0x45}));
  BOOST_TEST(bench.ours.dropped(DropReason::InnerMalformed));
}

BOOST_AUTO_TEST_CASE(no_allowed_ip) {
  Bench bench;
  bench.ours.tun.host_sends(icmp_packet(1, 77, 10));
  BOOST_TEST(bench.ours.dropped(DropReason::NoAllowedIp));
}

BOOST_AUTO_TEST_CASE(routing_loop) {
  Bench bench;
  bench.ours.add_peer(bench.remote.identity.public_key, {"0.0.0.0/0"}, "10.0.0.2:2000");
  Bytes ours = udp_packet({.source_host = 1, .destination_host = 2, .source_port = 40000});
  bench.ours.tun.host_sends(ours);
  BOOST_TEST(bench.ours.dropped(DropReason::RoutingLoop));
  // What another program sends there is for the peer.
  bench.ours.tun.host_sends(udp_packet({.source_host = 1, .destination_host = 2}));
  BOOST_TEST(bench.ours.bind.next_sent(is_initiation).has_value());
  BOOST_TEST(bench.ours.drops(DropReason::RoutingLoop) == 1u);
}

BOOST_AUTO_TEST_CASE(no_endpoint) {
  TestDevice ours;
  ours.add_peer(crypto::public_key_of(crypto::generate_private_key()), {"10.0.0.2/32"});
  ours.tun.host_sends(icmp_packet(1, 2, 10));
  BOOST_TEST(ours.dropped(DropReason::NoEndpoint));
}

BOOST_AUTO_TEST_CASE(staged_overflow_drops_the_oldest) {
  Bench bench;
  for (std::size_t i = 0; i < kStagedPacketsMax + 10; i++) {
    bench.ours.tun.host_sends(icmp_packet(1, 2, i % 500));
  }
  BOOST_TEST(bench.ours.dropped(DropReason::StagedOverflow, 10));
  BOOST_TEST(bench.ours.drops(DropReason::StagedOverflow) == 10u);
}

BOOST_AUTO_TEST_CASE(staged_given_up_when_the_interface_goes_down) {
  Bench bench;
  bench.ours.tun.host_sends(icmp_packet(1, 2, 10));
  BOOST_REQUIRE(bench.ours.bind.next_sent(is_initiation));
  bench.ours.device.set_down();
  BOOST_TEST(bench.ours.drops(DropReason::StagedGivenUp) == 1u);
}

BOOST_AUTO_TEST_CASE(send_failed) {
  Bench bench;
  bench.ours.bind.fail_sends = true;
  bench.ours.tun.host_sends(icmp_packet(1, 2, 10));
  BOOST_TEST(bench.ours.dropped(DropReason::SendFailed));
}

BOOST_AUTO_TEST_CASE(outer_malformed) {
  Bench bench;
  for (const std::size_t size : {0u, 1u, 3u, 4u, 31u, 147u, 149u, 1500u})
    bench.arrives(Bytes(size));
  BOOST_TEST(bench.ours.dropped(DropReason::OuterMalformed, 8));
}

BOOST_AUTO_TEST_CASE(bad_mac1) {
  Bench bench;
  Initiation initiation = bench.initiation();
  initiation.macs.mac1[0] ^= std::byte{1};
  bench.arrives(bytes_from(initiation));
  Response response;
  bench.arrives(bytes_from(response));
  BOOST_TEST(bench.ours.dropped(DropReason::BadMac1, 2));
}

BOOST_AUTO_TEST_CASE(without_a_private_key_nobody_knows_our_public_one) {
  Bench bench;
  settings::Settings settings;
  settings.private_key.emplace();
  BOOST_TEST(bench.ours.device.apply(settings).has_value());
  bench.arrives(bytes_from(bench.initiation()));
  BOOST_TEST(bench.ours.dropped(DropReason::BadMac1));
}

BOOST_AUTO_TEST_CASE(unknown_receiver) {
  Bench bench;
  Bytes data(48);
  data[0] = std::byte{4};
  bench.arrives(data);
  CookieReply reply;
  bench.arrives(bytes_from(reply));
  BOOST_TEST(bench.ours.dropped(DropReason::UnknownReceiver, 2));
}

BOOST_AUTO_TEST_CASE(unknown_peer) {
  Bench bench;
  Side stranger(crypto::generate_private_key());
  stranger.session.emplace(stranger.registry, bench.ours.public_key, stranger);
  bench.arrives(
      bytes_from(stranger.session->initiate(stranger.identity, bench.now, bench.wall).value()));
  BOOST_TEST(bench.ours.dropped(DropReason::UnknownPeer));
}

BOOST_AUTO_TEST_CASE(handshake_failed) {
  Bench bench;
  Initiation initiation = bench.initiation();
  initiation.sealed_static[0] ^= std::byte{1};
  CookieJar(bench.ours.public_key).sign(initiation, bench.now);  // mac1 is right
  bench.arrives(bytes_from(initiation));
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeFailed));
}

BOOST_AUTO_TEST_CASE(handshake_replayed) {
  Bench bench;
  const Bytes initiation = bytes_from(bench.initiation());
  bench.arrives(initiation);
  BOOST_REQUIRE(bench.ours.bind.next_sent(is_response));
  bench.arrives(initiation);
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeReplayed));
}

BOOST_AUTO_TEST_CASE(handshake_too_frequent) {
  Bench bench;
  const Bytes first = bytes_from(bench.initiation());
  const Bytes second = bytes_from(bench.initiation());
  bench.arrives(first);
  bench.arrives(second);
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeTooFrequent));
}

BOOST_AUTO_TEST_CASE(handshake_unexpected) {
  Bench bench;
  bench.shake_hands();
  // A response to the index of a keypair that is in use, not of a handshake.
  const auto keypair = bench.remote.session->current_keypair();
  Response response;
  response.receiver = keypair->remote_index;
  CookieJar(bench.ours.public_key).sign(response, bench.now);
  bench.arrives(bytes_from(response));
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeUnexpected));
  CookieReply cookie;
  cookie.receiver = keypair->remote_index;
  bench.arrives(bytes_from(cookie));
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeUnexpected, 2));
}

BOOST_AUTO_TEST_CASE(bad_tag_and_the_endpoint_stays) {
  Bench bench;
  bench.shake_hands();
  Bytes forged = bench.remote.seal(icmp_packet(2, 1, 10), bench.now)->bytes;
  forged.back() ^= std::byte{1};
  bench.ours.bind.arrives(forged, *conn::Endpoint::parse("198.51.100.1:1"));
  BOOST_TEST(bench.ours.dropped(DropReason::BadTag));
  BOOST_TEST(bench.ours.device.peer_state(bench.remote.identity.public_key)->endpoint.value() ==
             kRemoteAddress.text());
}

BOOST_AUTO_TEST_CASE(replayed_and_the_endpoint_stays) {
  Bench bench;
  bench.shake_hands();
  const Bytes message = bench.remote.seal(icmp_packet(2, 1, 10), bench.now)->bytes;
  bench.arrives(message);
  BOOST_TEST(eventually([&] { return bench.ours.tun.host_received().size() == 1; }));
  bench.ours.bind.arrives(message, *conn::Endpoint::parse("198.51.100.1:1"));
  BOOST_TEST(bench.ours.dropped(DropReason::Replayed));
  BOOST_TEST(bench.ours.device.peer_state(bench.remote.identity.public_key)->endpoint.value() ==
             kRemoteAddress.text());
}

BOOST_AUTO_TEST_CASE(a_cookie_reply_never_moves_the_endpoint) {
  Bench bench;
  bench.ours.tun.host_sends(icmp_packet(1, 2, 10));
  auto initiation = bench.ours.bind.next_sent(is_initiation);
  BOOST_REQUIRE(initiation);
  const auto* const message =
      std::get<const Initiation*>(protocol::parse_message(initiation->bytes));
  CookieChecker checker(bench.remote.identity.public_key);
  const Bytes address = from_hex("c00002070007");
  bench.ours.bind.arrives(bytes_from(checker.reply(*message, address, bench.now)),
                          *conn::Endpoint::parse("198.51.100.1:1"));
  CookieReply forged;
  forged.receiver = message->sender;
  bench.arrives(bytes_from(forged));
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeUnexpected));  // so the first was taken before
  BOOST_TEST(bench.ours.device.peer_state(bench.remote.identity.public_key)->endpoint.value() ==
             kRemoteAddress.text());
}

BOOST_AUTO_TEST_CASE(inner_invalid) {
  Bench bench;
  bench.shake_hands();
  bench.remote_sends(Bytes(16, std::byte{0xff}));
  BOOST_TEST(bench.ours.dropped(DropReason::InnerInvalid));
}

BOOST_AUTO_TEST_CASE(source_not_allowed) {
  Bench bench;
  bench.shake_hands();
  bench.remote_sends(icmp_packet(3, 1, 10));
  BOOST_TEST(bench.ours.dropped(DropReason::SourceNotAllowed));
}

BOOST_AUTO_TEST_CASE(a_peer_cannot_speak_as_another_whose_prefix_is_more_specific) {
  Bench bench;
  bench.ours.add_peer(bench.remote.identity.public_key, {"10.0.0.0/24"});
  bench.ours.add_peer(crypto::public_key_of(crypto::generate_private_key()), {"10.0.0.9/32"});
  bench.shake_hands();
  bench.remote_sends(icmp_packet(9, 1, 10));
  BOOST_TEST(bench.ours.dropped(DropReason::SourceNotAllowed));
  bench.remote_sends(icmp_packet(8, 1, 10));
  BOOST_TEST(eventually([&] { return bench.ours.tun.host_received().size() == 1; }));
}

BOOST_AUTO_TEST_CASE(congestion_is_passed_on_or_dropped_as_rfc_6040_says) {
  Bench bench;
  bench.shake_hands();
  bench.remote_sends(icmp_packet(2, 1, 10), conn::Ecn::CongestionExperienced);
  BOOST_TEST(bench.ours.dropped(DropReason::CongestionNotCapable));
  Bytes capable = tcp_packet({.source_host = 2, .destination_host = 1, .traffic_class = 2});
  bench.remote_sends(capable, conn::Ecn::CongestionExperienced);
  BOOST_TEST(eventually([&] { return bench.ours.tun.host_received().size() == 1; }));
  BOOST_TEST(bench.ours.tun.host_received()[0][1] == std::byte{3});
  BOOST_TEST(checksums_right(bench.ours.tun.host_received()[0]));
}

BOOST_AUTO_TEST_CASE(the_outer_header_shows_inner_ecn_and_hides_dscp) {
  Bench bench;
  bench.shake_hands();
  bench.ours.tun.host_sends(tcp_packet({.traffic_class = 0xba}));  // EF, and ECN 2
  const auto sent =
      bench.ours.bind.next_sent([](const Bytes& bytes) { return bytes.size() > 150; });
  BOOST_REQUIRE(sent.has_value());
  BOOST_TEST(sent->ecn == conn::Ecn::Capable0);
}

BOOST_AUTO_TEST_CASE(what_was_staged_shows_its_ecn_as_well) {
  Bench bench;
  bench.ours.tun.host_sends(tcp_packet({.traffic_class = 0xba}));
  BOOST_REQUIRE(bench.ours.bind.next_sent(is_initiation).has_value());
  bench.shake_hands();
  const auto sent =
      bench.ours.bind.next_sent([](const Bytes& bytes) { return bytes.size() > 150; });
  BOOST_REQUIRE(sent.has_value());
  BOOST_TEST(sent->ecn == conn::Ecn::Capable0);
}

BOOST_AUTO_TEST_CASE(tun_write_failed) {
  Bench bench;
  bench.shake_hands();
  bench.ours.tun.refuse_writes = true;
  bench.remote_sends(icmp_packet(2, 1, 10));
  BOOST_TEST(bench.ours.dropped(DropReason::TunWriteFailed));
}

BOOST_AUTO_TEST_CASE(a_flood_from_one_source_is_asked_for_cookies_and_does_not_shut_out_another) {
  Bench bench;
  const Bytes flood = strange_initiation(bench);
  const auto attacker = *conn::Endpoint::parse("203.0.113.5:5");
  BOOST_TEST(flood_until(
      bench, flood, [&](int) { return attacker; },
      [&] { return bench.ours.drops(DropReason::CookieRequired) > 0; }));
  bench.arrives(bytes_from(bench.initiation()));
  BOOST_TEST(
      bench.ours.bind.next_sent(is_response).has_value());  // the honest one needed no cookie
}

BOOST_AUTO_TEST_CASE(a_steady_flood_from_one_source_does_not_keep_the_handshake_threads_busy) {
  Bench bench;
  const Bytes flood = strange_initiation(bench);
  const auto attacker = *conn::Endpoint::parse("203.0.113.5:5");
  const auto opened = [&] { return bench.ours.drops(DropReason::UnknownPeer); };
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t sent = 0;
  while (sent < 4000) {  // never so many at once that the queue is what says no
    for (int i = 0; i < 50; i++, sent++) bench.ours.bind.arrives(flood, attacker);
    BOOST_REQUIRE(eventually(
        [&] { return opened() + bench.ours.drops(DropReason::CookieRequired) == sent; }));
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() -
                                                               began + std::chrono::seconds(1));
  const auto per_second = Admission::kSparePerSecond + Admission::kInitiationsPerSecond;
  BOOST_TEST(opened() <= Admission::kSpareBurst + Admission::kInitiationsBurst +
                             per_second * static_cast<std::uint64_t>(seconds.count()));
  BOOST_TEST(bench.ours.drops(DropReason::CookieRequired) > 0u);
}

BOOST_AUTO_TEST_CASE(a_flood_from_everywhere_makes_everybody_prove_an_address) {
  Bench bench;
  const Bytes flood = strange_initiation(bench);
  BOOST_REQUIRE(flood_until(bench, flood, from_everywhere,
                            [&] { return bench.ours.drops(DropReason::CookieRequired) > 100; }));
  const Initiation first = bench.initiation();
  bench.ours.bind.arrives_first(bytes_from(first), kRemoteAddress);
  auto reply = bench.ours.bind.next_sent([&](const Bytes& bytes) {
    return bytes.size() == sizeof(CookieReply) &&
           reinterpret_cast<const CookieReply*>(bytes.data())->receiver ==
               ReceiverIndex{first.sender};
  });
  BOOST_REQUIRE(reply.has_value());
  BOOST_TEST(bench.remote.session->consume(
      *std::get<const CookieReply*>(protocol::parse_message(reply->bytes)), bench.now));
  bench.ours.bind.arrives_first(bytes_from(bench.initiation()), kRemoteAddress);  // with mac2
  BOOST_TEST(bench.ours.bind.next_sent(is_response).has_value());
}

// A queue of a thousand handshakes must be done within the second that an overload lasts.
BOOST_AUTO_TEST_CASE(an_overload_lasts_as_long_as_the_flood_that_caused_it,
                     *boost::unit_test::label("real_speed")) {
  Bench bench;
  const Bytes flood = strange_initiation(bench);
  const auto asked = [&] { return bench.ours.drops(DropReason::CookieRequired); };
  const auto opened = [&] { return bench.ours.drops(DropReason::UnknownPeer); };
  BOOST_REQUIRE(flood_until(bench, flood, from_everywhere, [&] { return asked() > 100; }));
  // What had been taken before is opened by now, and what comes from now on is not, although the
  // queue has long been empty.
  std::uint64_t before = 0;
  BOOST_REQUIRE(eventually([&] {
    const auto last = std::exchange(before, opened());
    std::this_thread::sleep_for(100ms);
    return last == opened();
  }));
  for (int burst = 0; burst < 6; burst++) {
    const auto asked_before = asked();
    const int count = static_cast<int>(Admission::kOverloadedAt) + 100;
    for (int i = 0; i < count; i++) bench.ours.bind.arrives(flood, from_everywhere(i));
    BOOST_TEST(eventually([&] { return asked() == asked_before + std::uint64_t(count); }));
    std::this_thread::sleep_for(300ms);
  }
  BOOST_TEST(opened() == before);
}

BOOST_AUTO_TEST_CASE(handshake_rate_limited_after_the_address_was_proved) {
  Bench bench;
  Side stranger(crypto::generate_private_key());
  stranger.session.emplace(stranger.registry, bench.ours.public_key, stranger);
  const auto initiate = [&] {
    bench.now += 1s;
    bench.wall += 1s;
    return stranger.session->initiate(stranger.identity, bench.now, bench.wall).value();
  };
  const auto attacker = *conn::Endpoint::parse("203.0.113.5:5");
  const Initiation first = initiate();
  const auto from_attacker = [&](int) { return attacker; };
  BOOST_REQUIRE(flood_until(bench, bytes_from(first), from_attacker,
                            [&] { return bench.ours.drops(DropReason::CookieRequired) > 0; }));
  auto reply = bench.ours.bind.next_sent(
      [](const Bytes& bytes) { return bytes.size() == sizeof(CookieReply); });
  BOOST_REQUIRE(reply.has_value());
  BOOST_REQUIRE(stranger.session->consume(
      *std::get<const CookieReply*>(protocol::parse_message(reply->bytes)), bench.now));
  const Bytes proved = bytes_from(initiate());
  BOOST_TEST(flood_until(bench, bytes_from(first), from_attacker, [&] {
    bench.ours.bind.arrives_first(proved, attacker);
    return bench.ours.drops(DropReason::HandshakeRateLimited) > 0;
  }));
}

// Whoever has seen our index on the wire can forge responses to it: each costs the peer's strand an
// X25519, and only a few may wait there.
BOOST_AUTO_TEST_CASE(forged_responses_do_not_take_the_places_of_one_that_has_proved_its_address) {
  Bench bench;
  bench.ours.tun.host_sends(icmp_packet(1, 2, 10));
  auto sent = bench.ours.bind.next_sent(is_initiation);
  BOOST_REQUIRE(sent.has_value());
  const auto* const initiation = std::get<const Initiation*>(protocol::parse_message(sent->bytes));
  Response forged;
  forged.receiver = initiation->sender;
  forged.sender = ReceiverIndex{77};
  randombytes_buf(forged.ephemeral.data(), 32);
  CookieJar jar(bench.ours.public_key);
  jar.sign(forged, bench.now);
  const auto attacker = *conn::Endpoint::parse("203.0.113.5:5");
  BOOST_REQUIRE(flood_until(
      bench, bytes_from(forged), [&](int) { return attacker; },
      [&] { return bench.ours.drops(DropReason::CookieRequired) > 0; }));
  // With a cookie it has places of its own, as many, and a share of them.
  auto reply = bench.ours.bind.next_sent(
      [](const Bytes& bytes) { return bytes.size() == sizeof(CookieReply); });
  BOOST_REQUIRE(reply.has_value());
  BOOST_REQUIRE(
      jar.consume(*std::get<const CookieReply*>(protocol::parse_message(reply->bytes)), bench.now));
  const auto failed_before = bench.ours.drops(DropReason::HandshakeFailed);
  Response proved = forged;
  jar.sign(proved, bench.now);
  for (int i = 0; i < 500; i++) {
    bench.ours.bind.arrives(bytes_from(forged), attacker);
    bench.ours.bind.arrives(bytes_from(proved), attacker);
  }
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeRateLimited));
  BOOST_TEST(bench.ours.dropped(DropReason::HandshakeFailed, failed_before + 1));
}

BOOST_AUTO_TEST_CASE(a_flood_of_cookie_replies_takes_nobodys_place) {
  Bench bench;
  bench.ours.tun.host_sends(icmp_packet(1, 2, 10));
  auto sent = bench.ours.bind.next_sent(is_initiation);
  BOOST_REQUIRE(sent.has_value());
  const auto* const initiation = std::get<const Initiation*>(protocol::parse_message(sent->bytes));
  CookieReply garbage;
  garbage.receiver = initiation->sender;
  for (int i = 0; i < 1000; i++) bench.arrives(bytes_from(garbage));
  // The answer comes last, and is taken.
  auto received = ReceivedInitiation::open(bench.remote.identity, *initiation);
  BOOST_REQUIRE(received.has_value());
  const auto response =
      bench.remote.session->respond(bench.remote.identity, std::move(*received), bench.now);
  BOOST_REQUIRE(response.has_value());
  bench.arrives(bytes_from(*response));
  BOOST_TEST(eventually([&] {
    return bench.ours.device.peer_state(bench.remote.identity.public_key)->last_handshake.count() !=
           0;
  }));
  BOOST_TEST(bench.ours.drops(DropReason::HandshakeUnexpected) == 1000u);
}

// Whoever forges a peer's address spends the share of those who have proved nothing, and no more.
BOOST_AUTO_TEST_CASE(a_flood_from_a_peers_own_address_does_not_keep_that_peer_out) {
  Bench bench;
  const Bytes flood = strange_initiation(bench);
  const auto peers_own = [](int) { return kRemoteAddress; };
  BOOST_REQUIRE(flood_until(bench, flood, peers_own, [&] {
    return bench.ours.drops(DropReason::CookieRequired) > 2 * Admission::kOverloadedAt;
  }));
  const Initiation first = bench.initiation();
  bench.ours.bind.arrives_first(bytes_from(first), kRemoteAddress);
  auto reply = bench.ours.bind.next_sent([&](const Bytes& bytes) {
    return is_response(bytes) || (bytes.size() == sizeof(CookieReply) &&
                                  reinterpret_cast<const CookieReply*>(bytes.data())->receiver ==
                                      ReceiverIndex{first.sender});
  });
  BOOST_REQUIRE(reply.has_value());
  if (is_response(reply->bytes)) return;  // in a lull it came in without a cookie
  BOOST_REQUIRE(bench.remote.session->consume(
      *std::get<const CookieReply*>(protocol::parse_message(reply->bytes)), bench.now));
  BOOST_REQUIRE(flood_until(bench, flood, peers_own, [&] {
    return bench.ours.drops(DropReason::CookieRequired) > 4 * Admission::kOverloadedAt;
  }));
  bench.ours.bind.arrives_first(bytes_from(bench.initiation()), kRemoteAddress);  // with mac2
  BOOST_TEST(bench.ours.bind.next_sent(is_response).has_value());
}

BOOST_AUTO_TEST_CASE(every_reason_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropReasons; i++)
    names.insert(row_of(static_cast<DropReason>(i)).name);
  BOOST_TEST(names.size() == kDropReasons);
}
