#include "device/drop_counters.hpp"

#include "device/clock.hpp"
#include "settings/key_text.hpp"

namespace wg::device {

std::string_view name_of(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::InnerMalformed:
      return "inner_malformed";
    case DropReason::NoAllowedIp:
      return "no_allowed_ip";
    case DropReason::NoEndpoint:
      return "no_endpoint";
    case DropReason::StagedOverflow:
      return "staged_overflow";
    case DropReason::StagedGivenUp:
      return "staged_given_up";
    case DropReason::SendFailed:
      return "send_failed";
    case DropReason::OuterMalformed:
      return "outer_malformed";
    case DropReason::BadMac1:
      return "bad_mac1";
    case DropReason::UnknownReceiver:
      return "unknown_receiver";
    case DropReason::HandshakeQueueFull:
      return "handshake_queue_full";
    case DropReason::HandshakeRateLimited:
      return "handshake_rate_limited";
    case DropReason::CookieRequired:
      return "cookie_required";
    case DropReason::UnknownPeer:
      return "unknown_peer";
    case DropReason::HandshakeFailed:
      return "handshake_failed";
    case DropReason::HandshakeReplayed:
      return "handshake_replayed";
    case DropReason::HandshakeTooFrequent:
      return "handshake_too_frequent";
    case DropReason::HandshakeUnexpected:
      return "handshake_unexpected";
    case DropReason::BadTag:
      return "bad_tag";
    case DropReason::Replayed:
      return "replayed";
    case DropReason::InnerInvalid:
      return "inner_invalid";
    case DropReason::SourceNotAllowed:
      return "source_not_allowed";
    case DropReason::CongestionNotCapable:
      return "congestion_not_capable";
    case DropReason::TunWriteFailed:
      return "tun_write_failed";
  }
  return "unknown";
}

void DropCounters::tell(DropReason reason, Counter& counter,
                        const crypto::PublicKey* peer) noexcept {
  constexpr std::chrono::seconds kBetweenLines{1};
  const protocol::Instant moment = now();
  protocol::Instant due = counter.next_line.load(std::memory_order_relaxed);
  if (moment < due || !counter.next_line.compare_exchange_strong(due, moment + kBetweenLines)) {
    return;
  }
  log_->debug("{}{}dropped: {}, {} in all", peer != nullptr ? settings::peer_name(*peer) : "",
              peer != nullptr ? ": " : "", name_of(reason), of(reason));
}

}  // namespace wg::device
