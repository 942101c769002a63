#include "device/peer_events.hpp"

#include "protocol/constants.hpp"

namespace wg::device {

using protocol::Event;

static_assert(protocol::kRekeyAttemptTime.count() == 90 && protocol::kWipeAfterTime.count() == 540);

EventTold told(Event event) noexcept {
  switch (event) {
    case Event::NoAnswer:
      return {{}, "no answer, trying again"};
    case Event::GaveUp:
      return {{}, "no answer for 90 s, giving up"};
    case Event::KeysWiped:
      return {{}, "keys wiped, no handshake for 540 s"};
    case Event::NoIdentity:
      return {{}, "no handshake: the interface has no private key"};
    case Event::EndpointUnknown:
      return {DropReason::NoEndpoint, "no handshake: its endpoint is not known"};
    case Event::StagedTooLong:
      return {{}, "no handshake could begin for 90 s, giving up what waited for it"};
    case Event::KeyUnusable:
      return {{}, "no handshake: its public key cannot be used"};
    case Event::InitiationSent:
      return {{}, "sending handshake initiation"};
    case Event::ResponseSent:
      return {{}, "received handshake initiation, sending response"};
    case Event::Established:
      return {{}, "received handshake response, keypair is current"};
    case Event::KeepaliveSent:
      return {{}, "sending keepalive"};
    case Event::CookieTaken:
      return {{}, "took a cookie; the next handshake message will carry it"};
    case Event::ConnectionLost:
      return {{}, "its connection is lost, calling again"};
    case Event::CookieUnexpected:
    case Event::ResponseUnexpected:
    case Event::InitiationRefused:
      return {DropReason::HandshakeUnexpected, {}};
    case Event::InitiationForged:
    case Event::ResponseForged:
      return {DropReason::HandshakeFailed, {}};
    case Event::InitiationReplayed:
      return {DropReason::HandshakeReplayed, {}};
    case Event::InitiationTooSoon:
      return {DropReason::HandshakeTooFrequent, {}};
  }
  return {};
}

}  // namespace wg::device
