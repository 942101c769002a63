// An endpoint that we dial: what waits for a connection to it, and when the next attempt may be.
//
//   state   | event                                 | next    | what happens
//   --------+---------------------------------------+---------+---------------------------------
//   Idle    | something waits                       | Calling | the bind dials (`wants_call`)
//   Idle    | the attempt fails at once             | Pausing | what waits goes on waiting
//   Calling | something is sent                     | Calling | the connection takes it
//   Calling | it ends, something authentic came     | Idle    | what it had not sent waits, and so
//           |                                       |         | is called for at once
//   Calling | it ends, nothing authentic has come   | Pausing | what it had not sent waits; each
//           |                                       |         | time in a row the pause doubles
//   Pausing | something is sent                     | Pausing | it waits; the oldest give way
//   Pausing | the pause is over                     | Idle    | what is too old is dropped
//   any     | nobody is reached there any more      | (gone)  | its connection ends
//
// It remembers which peer has spoken on its connections last: a connection that ends before
// anything came on it is told to that peer, since what was written on it may never have arrived.
//
// Guarded by: the bind's lock.
// Lives: from the first message to there until nobody is reached there any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <random>
#include <utility>

#include "conn/stream_connection.hpp"

namespace wg::conn {

class Dialler {
 public:
  /// Pauses between attempts to dial.
  static constexpr auto kPauseMin = std::chrono::milliseconds(500);
  static constexpr auto kPauseMax = std::chrono::milliseconds(30'000);
  enum class State : std::uint8_t { Idle, Calling, Pausing };

  explicit Dialler(const Endpoint& to) noexcept : to_(to) {}

  [[nodiscard]] const Endpoint& to() const noexcept { return to_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  /// Connecting or open; null unless it is calling.
  [[nodiscard]] const StreamConnectionPtr& connection() const noexcept { return connection_; }
  [[nodiscard]] bool wants_call() const noexcept {
    return state_ == State::Idle && !waiting_.empty();
  }
  /// How many messages wait for a connection.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.frames(); }

  /// Lets messages wait, while it is not calling; returns how many older ones were dropped for
  /// them.
  std::size_t wait(Datagrams& datagrams, SendQueue::Instant now, SendOutcome& outcome) {
    return waiting_.push_all(datagrams, now, outcome);
  }
  /// For the connection that is begun next: what has waited for it.
  [[nodiscard]] SendQueue take_waiting() noexcept { return std::exchange(waiting_, {}); }
  /// A connection was begun.
  void called(StreamConnectionPtr connection) noexcept;
  /// No connection could be begun.
  void call_failed() noexcept;
  /// Its connection has ended with that left to send.
  void ended(SendQueue left, bool authenticated) noexcept;
  /// Returns how many messages had waited too long.
  std::size_t pause_over(SendQueue::Instant now) noexcept;

  /// How long the pause is that begins now: from three quarters of it to the whole, so that those
  /// who failed together do not come back together.
  [[nodiscard]] std::chrono::milliseconds pause(std::minstd_rand& random) const;

  void set_peer(std::weak_ptr<ConnectionListener> peer) noexcept { peer_ = std::move(peer); }
  [[nodiscard]] std::shared_ptr<ConnectionListener> peer() const noexcept { return peer_.lock(); }

 private:
  const Endpoint to_;
  State state_ = State::Idle;
  StreamConnectionPtr connection_;
  SendQueue waiting_;
  unsigned failures_ = 0;  // in a row
  std::weak_ptr<ConnectionListener> peer_;
};
std::ostream& operator<<(std::ostream& out, Dialler::State state);
using DiallerPtr = std::shared_ptr<Dialler>;

}  // namespace wg::conn
