// Why packets were not passed on: a name and a counter for each reason. Nothing is dropped without
// one. At debug level the log tells of each reason too, with the peer if one is known, but only
// once a second: a flood must not become a flood of lines.
#pragma once

#include <spdlog/logger.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "crypto/secret.hpp"
#include "protocol/clock.hpp"

namespace wg::device {

enum class DropReason : std::uint8_t {
  // Inner packets, on their way out
  InnerMalformed,  // no whole IP packet, or an offload that does not fit it
  NoAllowedIp,     // no peer's allowed IPs contain the destination
  NoEndpoint,      // the peer's endpoint is not known yet
  StagedOverflow,  // staged for a handshake, and pushed out by newer ones
  StagedGivenUp,   // staged, and no handshake succeeded within Rekey-Attempt-Time, or the interface
                   // went down
  SendFailed,      // the socket would not take the datagram
  // Outer messages, on their way in
  OuterMalformed,        // no WireGuard message: type or length are wrong
  BadMac1,               // a handshake message whose sender does not know our public key
  UnknownReceiver,       // no handshake or keypair of that index
  HandshakeQueueFull,    // more initiations than can be worked off
  HandshakeRateLimited,  // more than its share from one source, while under load
  CookieRequired,        // under load, and no valid mac2: a cookie reply was sent instead
  UnknownPeer,           // an initiation of a static key that we do not know
  HandshakeFailed,       // an initiation or response that does not authenticate
  HandshakeReplayed,     // an initiation whose stamp is not newer than the last
  HandshakeTooFrequent,  // initiations of one peer closer together than 20 ms
  HandshakeUnexpected,   // a response or cookie reply that answers nothing of ours
  BadTag,                // transport data that does not authenticate
  Replayed,              // authentic, but seen before, too old, or under a keypair that has ended
  InnerInvalid,          // authentic, but no whole IP packet in it
  SourceNotAllowed,      // authentic, but the inner source address is not the peer's
  CongestionNotCapable,  // marked "congestion experienced" outside, while inside ECN is not in use
                         // (RFC 6040)
  TunWriteFailed,        // the inner end would not take the packet
};
inline constexpr std::size_t kDropReasons =
    static_cast<std::size_t>(DropReason::TunWriteFailed) + 1;

/// As it stands in logs and status: words joined by `_`.
[[nodiscard]] std::string_view name_of(DropReason reason) noexcept;

/// Any thread.
class DropCounters {
 public:
  explicit DropCounters(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}

  /// `peer`: whose packets they were, if that is known.
  void add(DropReason reason, std::uint64_t packets = 1,
           const crypto::PublicKey* peer = nullptr) noexcept {
    Counter& counter = counters_[static_cast<std::size_t>(reason)];
    counter.packets.fetch_add(packets, std::memory_order_relaxed);
    if (log_->should_log(spdlog::level::debug)) tell(reason, counter, peer);
  }
  [[nodiscard]] std::uint64_t of(DropReason reason) const noexcept {
    return counters_[static_cast<std::size_t>(reason)].packets.load(std::memory_order_relaxed);
  }

 private:
  struct Counter {
    std::atomic<std::uint64_t> packets{0};
    std::atomic<protocol::Instant> next_line{protocol::Instant::min()};
  };
  void tell(DropReason reason, Counter& counter, const crypto::PublicKey* peer) noexcept;

  std::shared_ptr<spdlog::logger> log_;
  std::array<Counter, kDropReasons> counters_;
};

}  // namespace wg::device
