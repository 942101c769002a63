// Sessions between two peers: the traps of the protocol, each a test.
#include "protocol/session.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/printing.hpp"
#include "tests/protocol/two_peers.hpp"

using namespace wg;
using namespace wg::protocol;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(a_handshake_makes_a_session_both_ways) {
  TwoPeers world;
  world.shake_hands();
  BOOST_TEST(world.responder.open(world.initiator.seal(ping(), world.now).value(), world.now) ==
             Opened::Accepted);
  BOOST_TEST(world.initiator.open(world.responder.seal(ping(), world.now).value(), world.now) ==
             Opened::Accepted);
}

BOOST_AUTO_TEST_CASE(the_responder_sends_no_data_before_the_initiator_has_confirmed) {
  TwoPeers world;
  const auto initiation = world.initiate();
  const auto response = world.respond(initiation.value());
  BOOST_TEST(!world.responder.seal(ping(), world.now).has_value());
  BOOST_REQUIRE(world.finish(response.value()).has_value());
  Acceptance acceptance;
  world.responder.open(world.initiator.seal({}, world.now).value(), world.now, &acceptance);
  BOOST_TEST(acceptance.confirmed);
  BOOST_TEST(world.responder.seal(ping(), world.now).has_value());
}

BOOST_AUTO_TEST_CASE(a_forged_packet_does_not_move_the_replay_window) {
  TwoPeers world;
  world.shake_hands();
  Datagram honest = world.initiator.seal(ping(), world.now).value();
  Datagram forged = honest;
  reinterpret_cast<TransportDataHeader*>(forged.bytes.data())->counter = 1'000'000;
  BOOST_TEST(world.responder.open(forged, world.now) == Opened::BadTag);
  BOOST_TEST(world.responder.open(honest, world.now) == Opened::Accepted);
}

BOOST_AUTO_TEST_CASE(a_packet_is_accepted_once) {
  TwoPeers world;
  world.shake_hands();
  const Datagram message = world.initiator.seal(ping(), world.now).value();
  BOOST_TEST(world.responder.open(message, world.now) == Opened::Accepted);
  BOOST_TEST(world.responder.open(message, world.now) == Opened::Replayed);
}

BOOST_AUTO_TEST_CASE(a_replayed_initiation_is_refused) {
  TwoPeers world;
  const auto initiation = world.initiate().value();
  BOOST_TEST(world.respond(initiation).has_value());
  world.advance(1h);
  BOOST_TEST(world.respond(initiation).error() == HandshakeError::Replayed);
}

BOOST_AUTO_TEST_CASE(an_older_initiation_is_refused_after_a_newer_one) {
  TwoPeers world;
  const auto older = world.initiate().value();
  world.advance(5s);
  const auto newer = world.initiate().value();
  BOOST_TEST(world.respond(newer).has_value());
  world.advance(1s);
  BOOST_TEST(world.respond(older).error() == HandshakeError::Replayed);
}

BOOST_AUTO_TEST_CASE(initiations_of_one_peer_are_answered_every_20_milliseconds_at_most) {
  TwoPeers world;
  BOOST_TEST(world.respond(world.initiate().value()).has_value());
  world.advance(19ms);
  BOOST_TEST(world.respond(world.initiate().value()).error() == HandshakeError::TooFrequent);
  world.advance(2ms);
  BOOST_TEST(world.respond(world.initiate().value()).has_value());
}

BOOST_AUTO_TEST_CASE(a_retransmitted_initiation_is_a_new_one) {
  TwoPeers world;
  const auto first = world.initiate().value();
  world.advance(5s);
  const auto second = world.initiate().value();
  BOOST_TEST(first.ephemeral != second.ephemeral);
  BOOST_TEST(first.sealed_timestamp != second.sealed_timestamp);
  BOOST_TEST(!(ReceiverIndex{first.sender} == ReceiverIndex{second.sender}));
  BOOST_TEST(world.initiator.registry.owners.size() == 1u);  // the first index was given back
}

BOOST_AUTO_TEST_CASE(a_late_response_counts_while_its_handshake_is_the_current_one) {
  TwoPeers world;
  const auto response = world.respond(world.initiate().value());
  world.advance(4900ms);
  BOOST_TEST(world.finish(response.value()).has_value());
}

BOOST_AUTO_TEST_CASE(a_response_to_an_initiation_that_was_replaced_is_refused) {
  TwoPeers world;
  const auto response = world.respond(world.initiate().value());
  world.advance(5s);
  (void)world.initiate();
  BOOST_TEST(world.finish(response.value()).error() == HandshakeError::Unexpected);
}

BOOST_AUTO_TEST_CASE(a_response_counts_once) {
  TwoPeers world;
  const auto response = world.respond(world.initiate().value());
  BOOST_TEST(world.finish(response.value()).has_value());
  BOOST_TEST(world.finish(response.value()).error() == HandshakeError::Unexpected);
}

BOOST_AUTO_TEST_CASE(both_sides_may_initiate_at_once_and_both_end_with_a_session) {
  TwoPeers world;
  const auto ours = world.initiate().value();
  const auto theirs =
      world.responder.session->initiate(world.responder.identity, world.now, world.wall).value();
  const auto to_us = world.respond(ours);
  auto received = ReceivedInitiation::open(world.initiator.identity, theirs);
  const auto to_them =
      world.initiator.session->respond(world.initiator.identity, std::move(*received), world.now);
  BOOST_TEST(world.finish(to_us.value()).has_value());
  BOOST_TEST(world.responder.session->finish(world.responder.identity, to_them.value(), world.now)
                 .has_value());
  for (int i = 0; i < 3; i++) {
    BOOST_TEST(world.responder.open(world.initiator.seal(ping(), world.now).value(), world.now) ==
               Opened::Accepted);
    BOOST_TEST(world.initiator.open(world.responder.seal(ping(), world.now).value(), world.now) ==
               Opened::Accepted);
  }
  BOOST_TEST(!world.initiator.session->prepare_send(1, Payload::Data, world.now).handshake_due);
  BOOST_TEST(!world.responder.session->prepare_send(1, Payload::Data, world.now).handshake_due);
}

BOOST_AUTO_TEST_CASE(a_changed_preshared_key_counts_from_the_next_handshake_on) {
  TwoPeers world;
  world.shake_hands();
  const PresharedKey key(fixed<32>(Bytes(32, std::byte{9})));
  world.initiator.session->set_preshared_key(key);
  BOOST_TEST(world.responder.open(world.initiator.seal(ping(), world.now).value(), world.now) ==
             Opened::Accepted);
  world.advance(10s);
  const auto response = world.respond(world.initiate().value());
  BOOST_TEST(world.finish(response.value()).error() == HandshakeError::BadKey);
  world.responder.session->set_preshared_key(key);
  world.advance(10s);
  world.shake_hands();
}

BOOST_AUTO_TEST_CASE(a_cookie_reply_changes_nothing_but_the_next_mac2) {
  TwoPeers world;
  CookieChecker checker(world.responder.identity.public_key);
  const auto initiation = world.initiate().value();
  const Bytes address = from_hex("7f0000011234");
  BOOST_TEST(
      world.initiator.session->consume(checker.reply(initiation, address, world.now), world.now));
  BOOST_TEST(world.initiator.session->initiated_recently(world.now));  // the retry keeps its time
  world.advance(5s);
  const auto retry = world.initiate().value();
  BOOST_TEST(checker.mac2_valid(retry, address, world.now));
}

// ---- Rekeying

BOOST_AUTO_TEST_CASE(the_initiator_rekeys_when_it_sends_after_120_seconds) {
  TwoPeers world;
  world.shake_hands();
  world.advance(120s - 1ns);
  BOOST_TEST(!world.initiator.session->prepare_send(1, Payload::Data, world.now).handshake_due);
  world.advance(1ns);
  const auto ticket = world.initiator.session->prepare_send(1, Payload::Data, world.now);
  BOOST_TEST(ticket.handshake_due);
  BOOST_TEST(ticket.keypair != nullptr);  // the data goes all the same
}

BOOST_AUTO_TEST_CASE(the_responder_does_not_rekey_when_it_sends) {
  TwoPeers world;
  world.shake_hands();
  world.advance(179s);
  BOOST_TEST(!world.responder.session->prepare_send(1, Payload::Data, world.now).handshake_due);
}

BOOST_AUTO_TEST_CASE(the_initiator_rekeys_when_it_receives_after_165_seconds) {
  TwoPeers world;
  world.shake_hands();
  Acceptance acceptance;
  world.advance(165s - 1ns);
  world.initiator.open(world.responder.seal(ping(), world.now).value(), world.now, &acceptance);
  BOOST_TEST(!acceptance.handshake_due);
  world.advance(1ns);
  world.initiator.open(world.responder.seal(ping(), world.now).value(), world.now, &acceptance);
  BOOST_TEST(acceptance.handshake_due);
}

BOOST_AUTO_TEST_CASE(an_old_keypair_causes_no_handshake_when_a_newer_one_exists) {
  TwoPeers world;
  world.shake_hands();
  const auto old_keypair = world.responder.session->current_keypair();
  world.advance(166s);
  world.shake_hands();
  Acceptance acceptance;
  const Datagram late = Side::seal_under(*old_keypair, old_keypair->reserve(1).value(), ping());
  BOOST_TEST(world.initiator.open(late, world.now, &acceptance) == Opened::Accepted);
  BOOST_TEST(!acceptance.handshake_due);
}

BOOST_AUTO_TEST_CASE(many_messages_cause_a_rekey) {
  TwoPeers world;
  world.shake_hands();
  world.initiator.session->current_keypair()->skip_to(kRekeyAfterMessages + 1);
  world.advance(10s);
  BOOST_TEST(world.initiator.session->prepare_send(1, Payload::Data, world.now).handshake_due);
}

BOOST_AUTO_TEST_CASE(a_keypair_with_no_counters_left_carries_nothing) {
  TwoPeers world;
  world.shake_hands();
  world.initiator.session->current_keypair()->skip_to(kRejectAfterMessages - 5);
  BOOST_TEST(
      (world.initiator.session->prepare_send(5, Payload::Data, world.now).keypair != nullptr));
  const auto ticket = world.initiator.session->prepare_send(1, Payload::Data, world.now);
  BOOST_TEST(ticket.keypair == nullptr);
}

BOOST_AUTO_TEST_CASE(a_keypair_dies_after_180_seconds_in_both_directions) {
  TwoPeers world;
  world.shake_hands();
  const Datagram on_its_way = world.initiator.seal(ping(), world.now).value();
  world.advance(180s - 1ns);
  const Datagram last = world.initiator.seal(ping(), world.now).value();
  BOOST_TEST(world.responder.open(last, world.now) == Opened::Accepted);
  world.advance(1ns);
  BOOST_TEST(!world.initiator.seal(ping(), world.now).has_value());
  BOOST_TEST(world.responder.open(on_its_way, world.now) == Opened::Replayed);
}

BOOST_AUTO_TEST_CASE(a_keypair_is_too_old_after_a_long_sleep) {
  TwoPeers world;
  world.shake_hands();
  world.advance(8h);  // suspended: no timer has run meanwhile
  const auto ticket = world.initiator.session->prepare_send(1, Payload::Data, world.now);
  BOOST_TEST(ticket.keypair == nullptr);
  BOOST_TEST(ticket.handshake_due);
}

BOOST_AUTO_TEST_CASE(all_keys_are_wiped_after_540_seconds) {
  TwoPeers world;
  world.shake_hands();
  const std::weak_ptr<Keypair> keypair = world.initiator.session->current_keypair();
  world.advance(540s - 1ns);
  BOOST_TEST(!world.initiator.session->expire(world.now).wipe);
  world.advance(1ns);
  BOOST_TEST(world.initiator.session->expire(world.now).wipe);
  BOOST_TEST(keypair.expired());  // nobody holds it any more
  BOOST_TEST(world.initiator.registry.owners.empty());
}

// ---- When a handshake is wanted

BOOST_AUTO_TEST_CASE(without_a_session_a_handshake_is_asked_for_once_in_five_seconds) {
  TwoPeers world;
  Session& session = *world.initiator.session;
  BOOST_TEST(session.prepare_send(1, Payload::Data, world.now).handshake_due);
  BOOST_TEST(!session.prepare_send(1, Payload::Data, world.now).handshake_due);
  world.advance(5s);
  BOOST_TEST(session.prepare_send(1, Payload::Data, world.now).handshake_due);
}

BOOST_AUTO_TEST_CASE(while_an_initiation_is_pending_its_own_retransmission_is_enough) {
  TwoPeers world;
  (void)world.initiate();
  world.advance(5100ms);
  BOOST_TEST(!world.initiator.session->prepare_send(1, Payload::Data, world.now).handshake_due);
}

BOOST_AUTO_TEST_CASE(a_received_keepalive_is_not_answered_by_a_keepalive) {
  TwoPeers world;
  world.shake_hands();
  BOOST_TEST(world.responder.open(world.initiator.seal({}, world.now).value(), world.now) ==
             Opened::Accepted);
  for (int i = 0; i < 30; i++) {
    world.advance(1s);
    BOOST_TEST(!world.responder.session->expire(world.now).keepalive);
  }
}

BOOST_AUTO_TEST_CASE(turning_persistent_keepalive_on_is_told_from_changing_it) {
  TwoPeers world;
  Session& session = *world.initiator.session;
  BOOST_TEST(session.set_persistent_keepalive(25s, world.now));
  BOOST_TEST(!session.set_persistent_keepalive(30s, world.now));
  BOOST_TEST(!session.set_persistent_keepalive(0s, world.now));
  BOOST_TEST(session.set_persistent_keepalive(5s, world.now));
}

BOOST_AUTO_TEST_CASE(a_new_identity_ends_what_came_of_the_old_one) {
  TwoPeers world;
  world.shake_hands();
  world.initiator.session->identity_changed();
  BOOST_TEST(world.initiator.session->current_keypair() == nullptr);
  BOOST_TEST(world.initiator.registry.owners.empty());
  world.initiator.identity = LocalIdentity(crypto::generate_private_key());
  const auto initiation = world.initiate().value();
  auto received = ReceivedInitiation::open(world.responder.identity, initiation);
  BOOST_REQUIRE(received.has_value());
  BOOST_TEST(received->initiator() == world.initiator.identity.public_key);
  // The shared secret of the static keys is that of the new key.
  const auto secret = crypto::agree(world.responder.identity.private_key, received->initiator());
  BOOST_TEST(received->authenticate(*secret).has_value());
}

BOOST_AUTO_TEST_CASE(a_closed_session_does_nothing_any_more) {
  TwoPeers world;
  const auto initiation = world.initiate();
  const auto response = world.respond(*initiation);
  world.initiator.session->close();
  BOOST_TEST(!world.finish(response.value()).has_value());
  BOOST_TEST(!world.initiate().has_value());
  BOOST_TEST(!world.initiator.session->prepare_send(1, Payload::Data, world.now).handshake_due);
  BOOST_TEST(world.initiator.session->next_deadline() == kNever);
}
