#include "protocol/handshake.hpp"

#include <boost/test/unit_test.hpp>
#include <utility>

#include "tests/printing.hpp"
#include "tests/protocol/two_peers.hpp"

using namespace wg;
using namespace wg::protocol;
using namespace wg::test;

namespace {

/// The steps alone, without sessions.
struct Exchange {
  LocalIdentity initiator{crypto::generate_private_key()};
  LocalIdentity responder{crypto::generate_private_key()};
  SharedSecret shared = crypto::agree(initiator.private_key, responder.public_key).value();
  Tai64n stamp = tai64n(WallTime(std::chrono::seconds(1'700'000'000)));
  Initiation initiation;
  Response response;

  PendingInitiation begin() {
    return PendingInitiation::begin(
               {.local = initiator, .remote = responder.public_key, .static_static = shared},
               ReceiverIndex{7}, stamp, initiation)
        .value();
  }
  std::optional<SessionKeys> respond(const PresharedKey& preshared = {}) {
    auto received = ReceivedInitiation::open(responder, initiation);
    if (!received || !received->authenticate(shared)) return std::nullopt;
    return received->respond(preshared, ReceiverIndex{8}, crypto::generate_private_key(), response);
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_initial_chaining_key_and_hash_are_the_whitepapers) {
  const PublicKey responder{};
  const Transcript transcript(responder);
  BOOST_TEST(to_hex(transcript.chaining_key().bytes()) ==
             "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
  // The identifier's hash, and then the responder's key (here: zeros) mixed in.
  const Bytes identifier_hash =
      from_hex("2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
  BOOST_TEST(to_hex(transcript.hash()) == to_hex(crypto::hash({identifier_hash, responder.bytes})));
}

BOOST_AUTO_TEST_CASE(both_sides_end_with_the_same_keys_crosswise) {
  Exchange exchange;
  const auto pending = exchange.begin();
  const auto theirs = exchange.respond();
  const auto ours = pending.finish(exchange.initiator, {}, exchange.response);
  BOOST_REQUIRE(ours.has_value());
  BOOST_REQUIRE(theirs.has_value());
  BOOST_TEST(to_hex(ours->send.bytes()) == to_hex(theirs->receive.bytes()));
  BOOST_TEST(to_hex(ours->receive.bytes()) == to_hex(theirs->send.bytes()));
  BOOST_TEST(to_hex(ours->send.bytes()) != to_hex(ours->receive.bytes()));
}

BOOST_AUTO_TEST_CASE(the_responder_learns_who_asks_and_when) {
  Exchange exchange;
  (void)exchange.begin();
  auto received = ReceivedInitiation::open(exchange.responder, exchange.initiation);
  BOOST_REQUIRE(received.has_value());
  BOOST_TEST(received->initiator() == exchange.initiator.public_key);
  BOOST_TEST(std::to_underlying(received->sender()) == 7u);
  const auto stamp = received->authenticate(exchange.shared);
  BOOST_REQUIRE(stamp.has_value());
  BOOST_TEST(*stamp == exchange.stamp);
}

BOOST_AUTO_TEST_CASE(preshared_keys_must_agree) {
  Exchange exchange;
  const PresharedKey ours(fixed<32>(Bytes(32, std::byte{1})));
  const auto pending = exchange.begin();
  BOOST_REQUIRE(exchange.respond(ours));
  BOOST_TEST(!pending.finish(exchange.initiator, {}, exchange.response));
  BOOST_TEST(pending.finish(exchange.initiator, ours, exchange.response).has_value());
}

BOOST_AUTO_TEST_CASE(any_changed_byte_of_an_initiation_is_noticed) {
  Exchange exchange;
  (void)exchange.begin();
  const Initiation honest = exchange.initiation;
  // From the ephemeral key on, up to the macs: these are checked elsewhere.
  for (std::size_t i = 8; i < sizeof(Initiation) - sizeof(Macs); i++) {
    exchange.initiation = honest;
    reinterpret_cast<unsigned char*>(&exchange.initiation)[i] ^= i == 39 ? 0x01 : 0x80;
    if (i == 39)
      continue;  // X25519 ignores the top bit of the ephemeral's last byte; the hash does not, see
                 // below
    BOOST_TEST(!exchange.respond().has_value(), "byte " << i);
  }
  exchange.initiation = honest;
  exchange.initiation.ephemeral.bytes[31] ^= std::byte{0x80};
  BOOST_TEST(!exchange.respond().has_value());
}

BOOST_AUTO_TEST_CASE(any_changed_byte_of_a_response_is_noticed_and_the_handshake_goes_on) {
  Exchange exchange;
  const auto pending = exchange.begin();
  BOOST_REQUIRE(exchange.respond());
  const Response honest = exchange.response;
  for (std::size_t i = 12; i < sizeof(Response) - sizeof(Macs); i++) {
    Response forged = honest;
    reinterpret_cast<unsigned char*>(&forged)[i] ^= 0x40;
    BOOST_TEST(!pending.finish(exchange.initiator, {}, forged).has_value(), "byte " << i);
  }
  BOOST_TEST(pending.finish(exchange.initiator, {}, honest).has_value());
}

BOOST_AUTO_TEST_CASE(an_initiation_is_for_one_responder_only) {
  Exchange exchange;
  (void)exchange.begin();
  const LocalIdentity other(crypto::generate_private_key());
  BOOST_TEST(!ReceivedInitiation::open(other, exchange.initiation).has_value());
}

BOOST_AUTO_TEST_CASE(keys_of_small_order_are_refused) {
  Exchange exchange;
  const PublicKey zero{};
  BOOST_TEST(!PendingInitiation::begin(
                  {.local = exchange.initiator, .remote = zero, .static_static = exchange.shared},
                  ReceiverIndex{1}, exchange.stamp, exchange.initiation)
                  .has_value());
  const auto pending = exchange.begin();
  BOOST_REQUIRE(exchange.respond());
  exchange.response.ephemeral = zero;
  BOOST_TEST(!pending.finish(exchange.initiator, {}, exchange.response).has_value());
  exchange.initiation.ephemeral = zero;
  BOOST_TEST(!ReceivedInitiation::open(exchange.responder, exchange.initiation).has_value());
}
