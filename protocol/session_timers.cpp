#include "protocol/session_timers.hpp"

#include <sodium.h>

#include <algorithm>
#include <utility>

namespace wg::protocol {
namespace {

constexpr unsigned kAttemptsMax = kRekeyAttemptTime / kRekeyTimeout;

std::chrono::milliseconds draw_jitter() noexcept {
  return std::chrono::milliseconds(
      randombytes_uniform(static_cast<std::uint32_t>(kRekeyTimeoutJitterMax.count()) + 1));
}

/// True if the deadline has passed; it is idle then.
bool take(Instant& deadline, Instant now) noexcept {
  if (now < deadline) return false;
  deadline = kNever;
  return true;
}

}  // namespace

void SessionTimers::data_sent(Instant now) noexcept {
  if (new_handshake_ == kNever) {
    new_handshake_ = now + kKeepaliveTimeout + kRekeyTimeout + jitter_;
  }
}

void SessionTimers::data_received(Instant now) noexcept {
  if (passive_keepalive_ == kNever) {
    passive_keepalive_ = now + kKeepaliveTimeout;
  } else {
    another_keepalive_ = true;
  }
}

void SessionTimers::any_authenticated_sent() noexcept {
  passive_keepalive_ = kNever;
  another_keepalive_ = false;
}

void SessionTimers::any_authenticated_received() noexcept {
  new_handshake_ = kNever;
}

void SessionTimers::any_authenticated_traversal(Instant now) noexcept {
  if (persistent_interval_.count() > 0) persistent_keepalive_ = now + persistent_interval_;
}

void SessionTimers::initiation_sent(Instant now) noexcept {
  jitter_ = draw_jitter();
  if (unanswered_since_ == kNever) unanswered_since_ = now;
  retransmit_handshake_ = now + kRekeyTimeout + jitter_;
  staged_ = kNever;
}

void SessionTimers::handshake_impossible(Instant now) noexcept {
  if (staged_ == kNever) staged_ = now + kRekeyAttemptTime;
}

void SessionTimers::handshake_complete() noexcept {
  retransmit_handshake_ = unanswered_since_ = kNever;
  attempts_ = 0;
}

void SessionTimers::session_derived(Instant now) noexcept {
  jitter_ = draw_jitter();
  wipe_ = now + kWipeAfterTime;
  staged_ = kNever;
}

void SessionTimers::set_persistent_keepalive(std::chrono::seconds interval, Instant now) noexcept {
  if (interval == persistent_interval_) return;
  persistent_interval_ = interval;
  persistent_keepalive_ = interval.count() > 0 ? now + interval : kNever;
}

void SessionTimers::persistent_keepalive_now(Instant now) noexcept {
  if (persistent_interval_.count() == 0) return;
  persistent_keepalive_ = now + persistent_interval_;
  data_waiting();
}

void SessionTimers::expire_retransmit(Instant now, DueTimers& due) noexcept {
  if (!take(retransmit_handshake_, now)) return;
  attempts_++;
  if (attempts_ < kAttemptsMax) {
    due.initiate = due.peer_unresponsive = true;
    return;
  }
  due.gave_up = true;
  unanswered_since_ = kNever;
  attempts_ = 0;
  passive_keepalive_ = kNever;
  // What stays of old keys goes too, if no session's own deadline is sooner (6.3).
  if (wipe_ == kNever) wipe_ = now + kWipeAfterTime;
}

DueTimers SessionTimers::expire(Instant now) noexcept {
  DueTimers due;
  if (now >= persistent_keepalive_) {
    persistent_keepalive_now(now);
    due.keepalive = true;
  }
  expire_retransmit(now, due);
  if (take(passive_keepalive_, now)) {
    due.keepalive = true;
    if (std::exchange(another_keepalive_, false)) passive_keepalive_ = now + kKeepaliveTimeout;
  }
  if (take(new_handshake_, now)) due.initiate = due.peer_unresponsive = true;
  if (take(wipe_, now)) due.wipe = true;
  if (take(staged_, now)) due.drop_staged = true;
  return due;
}

Instant SessionTimers::next() const noexcept {
  return std::min({retransmit_handshake_, passive_keepalive_, new_handshake_, persistent_keepalive_,
                   wipe_, staged_});
}

void SessionTimers::stop() noexcept {
  retransmit_handshake_ = passive_keepalive_ = new_handshake_ = persistent_keepalive_ = wipe_ =
      staged_ = unanswered_since_ = kNever;
  attempts_ = 0;
  another_keepalive_ = false;
}

}  // namespace wg::protocol
