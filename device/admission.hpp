// Which handshake messages are worth the cost of looking closer: several X25519 for an initiation.
//
//   proof  load                   within its limit  verdict
//   none   quiet, busy            yes               take
//   none   quiet                  no, some to spare take
//   none   quiet, busy            no                ask for a cookie
//   none   overloaded             (not asked)       ask for a cookie
//   valid  any, but the queue full yes              take
//   valid  any, but the queue full no               refuse: the rate limit
//   valid  queue full             (not asked)       refuse: the queue
//
// Proof is a mac2 by a cookie of ours: the sender reads what is sent to the address that it claims.
// Whoever has proved nothing spends nothing of those who have: both have limits of their own, so
// that somebody who forges a peer's address does not keep that peer out, but only makes us ask it
// for a cookie. A response with proof counts as an initiation with proof does. What is to spare is
// for many peers behind one address who come at once; a flood that uses it up costs a small part of
// one core.
//
// Quiet, busy and overloaded are by how many initiations wait for the control pool. An overload
// lasts until as few are turned away in a second as could have been taken, so that a steady flood
// is not let in anew each second.
//
// The limits hold for all shards together: a source's messages come in by any of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <ostream>

#include "device/rate_limiter.hpp"
#include "protocol/clock.hpp"
#include "threads/mutex.hpp"

namespace wg::device {

enum class Load : std::uint8_t { Quiet, Busy, Overloaded, QueueFull };
enum class Proof : std::uint8_t { None, Valid };
enum class Verdict : std::uint8_t { Take, AskForCookie, RateLimited, QueueFull };

/// The table. `within`: whether the limit of its kind allows it, asked only where the table does.
template <class Within, class Spare>
[[nodiscard]] constexpr Verdict judge(Load load, Proof proof, Within within, Spare spare) {
  if (proof == Proof::Valid) {
    if (load == Load::QueueFull) return Verdict::QueueFull;
    return within() ? Verdict::Take : Verdict::RateLimited;
  }
  if (load >= Load::Overloaded) return Verdict::AskForCookie;
  if (within() || (load == Load::Quiet && spare())) return Verdict::Take;
  return Verdict::AskForCookie;
}

std::ostream& operator<<(std::ostream& out, Verdict verdict);

/// Runs on: any thread.
/// Guarded by: `limits_.mutex`, the limits. What waits is counted by atomics.
class Admission {
 public:
  static constexpr std::size_t kBusyAt = 128;
  static constexpr std::size_t kOverloadedAt = 1024;
  static constexpr std::size_t kQueueMax = 4096;
  static constexpr std::chrono::seconds kOverloadLasts{1};
  /// A source's share, as in the kernel; the same for those who have proved their address and for
  /// those who claim it.
  static constexpr unsigned kInitiationsPerSecond = 20;
  static constexpr unsigned kInitiationsBurst = 5;
  /// For all sources together, beyond their shares; 50 µs of one core each.
  static constexpr unsigned kSparePerSecond = 500;
  static constexpr unsigned kSpareBurst = 1000;
  /// For everybody together, since whoever asks has proved nothing: what a flood may cost.
  static constexpr unsigned kCookieRepliesPerSecond = 100'000;
  static constexpr unsigned kCookieRepliesBurst = 10'000;

  /// Of an initiation whose mac1 is right. What is taken waits until `begun`.
  [[nodiscard]] Verdict judge_initiation(Proof proof, std::uint64_t source, protocol::Instant now);
  /// One that waited is being looked at.
  void begun() noexcept { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  /// Whether a response may be looked at, whose sender has proved its address and comes when the
  /// places for those without proof are taken.
  [[nodiscard]] bool may_finish(std::uint64_t source, protocol::Instant now);
  /// Whether a cookie reply may be sent.
  [[nodiscard]] bool may_reply(protocol::Instant now);

 private:
  [[nodiscard]] Load load(protocol::Instant now) noexcept;
  void overload_goes_on(protocol::Instant now) noexcept;

  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> turned_away_{0};  // since the overload began or was prolonged
  std::atomic<protocol::Instant> overloaded_until_{protocol::Instant::min()};
  struct {
    Mutex mutex;
    RateLimiter claimed WG_GUARDED_BY(mutex){kInitiationsPerSecond, kInitiationsBurst};
    RateLimiter proven WG_GUARDED_BY(mutex){kInitiationsPerSecond, kInitiationsBurst};
    TokenBucket spare WG_GUARDED_BY(mutex){kSparePerSecond, kSpareBurst};
    TokenBucket cookie_replies WG_GUARDED_BY(mutex){kCookieRepliesPerSecond, kCookieRepliesBurst};
  } limits_;
};

}  // namespace wg::device
