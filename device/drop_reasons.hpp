// Why packets are not passed on: one table for counters, log, status and metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string_view>

namespace wg::device {

enum class DropReason : std::uint8_t {
  // Inner packets, on their way out
  InnerMalformed,
  NoAllowedIp,
  RoutingLoop,
  NoEndpoint,
  StagedOverflow,
  StagedGivenUp,
  SendFailed,
  // Outer messages, on their way in
  OuterMalformed,
  BadMac1,
  UnknownReceiver,
  HandshakeQueueFull,
  HandshakeRateLimited,
  CookieRequired,
  UnknownPeer,
  HandshakeFailed,
  HandshakeReplayed,
  HandshakeTooFrequent,
  HandshakeUnexpected,
  InterfaceDown,
  BadTag,
  Replayed,
  InnerInvalid,
  SourceNotAllowed,
  CongestionNotCapable,
  TunWriteFailed,
};

struct DropRow {
  DropReason reason;
  std::string_view name;      // as it stands in status and metrics: words joined by `_`
  std::string_view sentence;  // what it means
};

// clang-format off
inline constexpr std::array kDropRows{
  DropRow{DropReason::InnerMalformed, "inner_malformed", "no whole IP packet, or an offload that does not fit it"},
  DropRow{DropReason::NoAllowedIp, "no_allowed_ip", "no peer's allowed IPs contain the destination"},
  DropRow{DropReason::RoutingLoop, "routing_loop", "our own message came back to be sent through the tunnel: the route to the peer's endpoint leads into it"},
  DropRow{DropReason::NoEndpoint, "no_endpoint", "the peer's endpoint is not known yet"},
  DropRow{DropReason::StagedOverflow, "staged_overflow", "staged for a handshake, and pushed out by newer ones"},
  DropRow{DropReason::StagedGivenUp, "staged_given_up", "staged, and no handshake succeeded in time, or the interface went down"},
  DropRow{DropReason::SendFailed, "send_failed", "the outer end would not take the datagram"},
  DropRow{DropReason::OuterMalformed, "outer_malformed", "no WireGuard message: its type or length is wrong"},
  DropRow{DropReason::BadMac1, "bad_mac1", "a handshake message whose sender does not know our public key"},
  DropRow{DropReason::UnknownReceiver, "unknown_receiver", "no handshake or keypair of that index"},
  DropRow{DropReason::HandshakeQueueFull, "handshake_queue_full", "more handshake messages than can be worked off"},
  DropRow{DropReason::HandshakeRateLimited, "handshake_rate_limited", "more handshake messages than its share from one source that has proved its address"},
  DropRow{DropReason::CookieRequired, "cookie_required", "no proof of the sender's address where one is asked for; as many as can be are answered by a cookie"},
  DropRow{DropReason::UnknownPeer, "unknown_peer", "an initiation by a static key that is no peer's"},
  DropRow{DropReason::HandshakeFailed, "handshake_failed", "a handshake message that does not authenticate: wrong static or preshared key?"},
  DropRow{DropReason::HandshakeReplayed, "handshake_replayed", "an initiation whose time stamp is not later than the last"},
  DropRow{DropReason::HandshakeTooFrequent, "handshake_too_frequent", "initiations of one peer closer together than 20 ms"},
  DropRow{DropReason::HandshakeUnexpected, "handshake_unexpected", "a response or cookie reply that answers nothing of ours"},
  DropRow{DropReason::InterfaceDown, "interface_down", "a handshake message that came as the interface went down"},
  DropRow{DropReason::BadTag, "bad_tag", "transport data that does not authenticate"},
  DropRow{DropReason::Replayed, "replayed", "authentic, but seen before, too old, or under a keypair that has ended"},
  DropRow{DropReason::InnerInvalid, "inner_invalid", "authentic, but there is no whole IP packet in it"},
  DropRow{DropReason::SourceNotAllowed, "source_not_allowed", "authentic, but the inner source address is not among the peer's allowed IPs"},
  DropRow{DropReason::CongestionNotCapable, "congestion_not_capable", "marked \"congestion experienced\" outside, while inside ECN is not in use (RFC 6040)"},
  DropRow{DropReason::TunWriteFailed, "tun_write_failed", "the inner end would not take the packet"},
};
// clang-format on
inline constexpr std::size_t kDropReasons = kDropRows.size();

[[nodiscard]] constexpr bool rows_stand_in_order() noexcept {
  for (std::size_t i = 0; i < kDropRows.size(); i++) {
    if (static_cast<std::size_t>(kDropRows[i].reason) != i) return false;
  }
  return static_cast<std::size_t>(DropReason::TunWriteFailed) + 1 == kDropRows.size();
}
static_assert(rows_stand_in_order());

[[nodiscard]] constexpr const DropRow& row_of(DropReason reason) noexcept {
  return kDropRows[static_cast<std::size_t>(reason)];
}

inline std::ostream& operator<<(std::ostream& out, DropReason reason) {
  return out << row_of(reason).name;
}

}  // namespace wg::device
