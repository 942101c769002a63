// Two peers that know each other, with a virtual clock, for tests of the protocol.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>

#include "protocol/session.hpp"
#include "tests/bytes.hpp"

namespace wg::test {

using namespace std::chrono_literals;
using protocol::Instant;
using protocol::WallTime;

/// Indices for tests: random, found again by nobody.
class TestRegistry final : public protocol::IndexRegistry {
 public:
  protocol::ReceiverIndex claim(protocol::Session& owner) override {
    const protocol::ReceiverIndex index{randombytes_random()};
    owners[index] = &owner;
    return index;
  }
  void release(protocol::ReceiverIndex index) noexcept override { owners.erase(index); }
  std::map<protocol::ReceiverIndex, protocol::Session*> owners;
};

struct Datagram {
  Bytes bytes;
  [[nodiscard]] protocol::TransportData data() {
    return std::get<protocol::TransportData>(protocol::parse_message(bytes));
  }
};

enum class Opened { Accepted, BadTag, Replayed, UnknownReceiver };
inline std::ostream& operator<<(std::ostream& out, Opened opened) {
  switch (opened) {
    case Opened::Accepted:
      return out << "accepted";
    case Opened::BadTag:
      return out << "bad tag";
    case Opened::Replayed:
      return out << "replayed";
    case Opened::UnknownReceiver:
      return out << "unknown receiver";
  }
  return out;
}

/// One side: its identity, and its session with the other side.
struct Side : protocol::SessionOwner {
  explicit Side(const crypto::PrivateKey& key) : identity(key) {}

  protocol::LocalIdentity identity;
  TestRegistry registry;
  std::optional<protocol::Session> session;

  [[nodiscard]] std::optional<Datagram> seal(const Bytes& plain, Instant now) {
    const auto payload = plain.empty() ? protocol::Payload::Keepalive : protocol::Payload::Data;
    const auto ticket = session->prepare_send(1, payload, now);
    if (!ticket.keypair) return std::nullopt;
    return seal_under(*ticket.keypair, ticket.first_counter, plain);
  }

  [[nodiscard]] static Datagram seal_under(const protocol::Keypair& keypair, std::uint64_t counter,
                                           const Bytes& plain) {
    Datagram message{Bytes(protocol::kTransportOverhead + plain.size())};
    std::ranges::copy(plain, message.bytes.begin() + sizeof(protocol::TransportDataHeader));
    const protocol::PlainMessage place{.message = message.bytes.data(),
                                       .plain_bytes = plain.size()};
    keypair.seal(counter, {&place, 1});
    return message;
  }

  /// `acceptance`: if not null, what the session made of it.
  Opened open(Datagram message, Instant now, protocol::Acceptance* acceptance = nullptr) {
    const auto data = message.data();
    const auto keypair = session->keypair_for(data.receiver);
    if (!keypair) return Opened::UnknownReceiver;
    crypto::OpenPacket packet{.counter = data.counter,
                              .source = data.sealed.data(),
                              .target = data.sealed.data(),
                              .size = data.sealed.size() - crypto::kTagBytes};
    keypair->receive_key.open({&packet, 1});
    if (!packet.authentic) return Opened::BadTag;
    protocol::OpenedPacket opened{.counter = data.counter, .data = packet.size > 0};
    const auto accepted = session->accept(keypair, {&opened, 1}, now);
    if (acceptance != nullptr) *acceptance = accepted;
    return opened.fresh ? Opened::Accepted : Opened::Replayed;
  }
};

struct TwoPeers {
  TwoPeers()
      : initiator(crypto::generate_private_key()), responder(crypto::generate_private_key()) {
    initiator.session.emplace(initiator.registry, responder.identity.public_key, initiator);
    responder.session.emplace(responder.registry, initiator.identity.public_key, responder);
  }

  [[nodiscard]] std::optional<protocol::Initiation> initiate() {
    return initiator.session->initiate(initiator.identity, now, wall);
  }
  [[nodiscard]] std::expected<protocol::Response, protocol::HandshakeError> respond(
      const protocol::Initiation& message) {
    auto received = protocol::ReceivedInitiation::open(responder.identity, message);
    if (!received) return std::unexpected(protocol::HandshakeError::BadKey);
    return responder.session->respond(responder.identity, std::move(*received), now);
  }
  [[nodiscard]] std::expected<void, protocol::HandshakeError> finish(
      const protocol::Response& message) {
    return initiator.session->finish(initiator.identity, message, now);
  }

  /// A handshake, confirmed by a keepalive.
  void shake_hands() {
    const auto initiation = initiate();
    const auto response = respond(initiation.value());
    if (!finish(response.value())) throw std::runtime_error("the handshake failed");
    if (responder.open(initiator.seal({}, now).value(), now) != Opened::Accepted) {
      throw std::runtime_error("the keypair was not confirmed");
    }
  }
  void advance(std::chrono::nanoseconds by) {
    now += by;
    wall += by;
  }

  Instant now{1000s};
  WallTime wall{std::chrono::seconds(1'700'000'000)};
  Side initiator;
  Side responder;
};

[[nodiscard]] inline Bytes ping() {
  return Bytes(64, std::byte{0x45});
}

}  // namespace wg::test
