// The timers of one session (whitepaper 6), as deadlines that events move and that time makes due.
//
// event                       | what moves
// data_sent                   | new handshake: armed if idle (15 s + jitter)
// data_received               | passive keepalive: armed if idle (10 s), else one more is owed
// any_authenticated_sent      | passive keepalive: idle
// any_authenticated_received  | new handshake: idle
// any_authenticated_traversal | persistent keepalive: armed (its interval)
// persistent_keepalive_now    | persistent keepalive: armed; Rekey-Attempt-Time begins anew
// initiation_sent             | retransmission: armed (5 s + jitter); staged packets: idle
// handshake_impossible        | staged packets: armed if idle (90 s)
// handshake_complete          | retransmission: idle
// session_derived             | wipe: armed (540 s); staged packets: idle
//
// The jitter is drawn anew with each initiation and each session, not with each packet: random
// numbers come from the kernel.
//
// Lazy: the data path only stores deadlines; `next()` says when somebody has to look again, and a
// deadline that moved later in the meantime costs one look too many, not a timer operation per
// packet.
//
// Not thread-safe: the session's lock guards it.
#pragma once

#include <cstdint>

#include "protocol/clock.hpp"
#include "protocol/constants.hpp"

namespace wg::protocol {

/// What has become due. The caller acts on it; the timers have moved on already.
struct DueTimers {
  bool initiate = false;  // send a new initiation
  bool peer_unresponsive =
      false;                 // …and doubt the path: the cached source address may be stale (6.5)
  bool keepalive = false;    // send an empty transport data message
  bool gave_up = false;      // Rekey-Attempt-Time is over: drop what is staged
  bool drop_staged = false;  // no handshake could even begin for as long: drop what is staged
  bool wipe = false;         // three times Reject-After-Time without a handshake: wipe all keys
};

class SessionTimers {
 public:
  void data_sent(Instant now) noexcept;
  void data_received(Instant now) noexcept;
  void any_authenticated_sent() noexcept;
  void any_authenticated_received() noexcept;
  void any_authenticated_traversal(Instant now) noexcept;
  void initiation_sent(Instant now) noexcept;
  /// Packets are staged, and no handshake can begin: there is no key, or nowhere to send it to.
  void handshake_impossible(Instant now) noexcept;
  void handshake_complete() noexcept;
  void session_derived(Instant now) noexcept;

  /// Somebody wants to send data and there is no session: Rekey-Attempt-Time begins anew (6.4).
  void data_waiting() noexcept { attempts_ = 0; }
  /// When the first of the initiations was sent that are without an answer so far; kNever: nobody
  /// is being called.
  [[nodiscard]] Instant unanswered_since() const noexcept {
    return initiation_pending() ? unanswered_since_ : kNever;
  }
  [[nodiscard]] bool initiation_pending() const noexcept { return retransmit_handshake_ != kNever; }

  /// A persistent keepalive is due, or was asked for: the next is an interval away, and an absent
  /// peer is called for another Rekey-Attempt-Time.
  void persistent_keepalive_now(Instant now) noexcept;

  /// 0 s: off. The same as before: nothing moves. Turning it on does not send by itself; the caller
  /// sends a keepalive at once.
  void set_persistent_keepalive(std::chrono::seconds interval, Instant now) noexcept;
  [[nodiscard]] std::chrono::seconds persistent_keepalive() const noexcept {
    return persistent_interval_;
  }

  /// Collects what is due at `now`.
  [[nodiscard]] DueTimers expire(Instant now) noexcept;

  /// The earliest deadline, kNever if none is armed.
  [[nodiscard]] Instant next() const noexcept;

  /// Everything idle; the persistent interval stays.
  void stop() noexcept;

 private:
  void expire_retransmit(Instant now, DueTimers& due) noexcept;

  Instant retransmit_handshake_ = kNever;
  Instant passive_keepalive_ = kNever;
  Instant new_handshake_ = kNever;
  Instant persistent_keepalive_ = kNever;
  Instant wipe_ = kNever;
  Instant staged_ = kNever;
  Instant unanswered_since_ = kNever;
  std::chrono::seconds persistent_interval_{0};
  std::chrono::milliseconds jitter_{0};
  unsigned attempts_ = 0;
  bool another_keepalive_ =
      false;  // data came while the passive keepalive was armed: one more is owed after it
};

}  // namespace wg::protocol
