#include "conn/dialler.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

namespace wg::conn {

std::ostream& operator<<(std::ostream& out, Dialler::State state) {
  switch (state) {
    case Dialler::State::Idle:
      return out << "idle";
    case Dialler::State::Calling:
      return out << "calling";
    case Dialler::State::Pausing:
      return out << "pausing";
  }
  return out;
}

void Dialler::called(StreamConnectionPtr connection) noexcept {
  connection_ = std::move(connection);
  state_ = State::Calling;
}

void Dialler::call_failed() noexcept {
  failures_++;
  state_ = State::Pausing;
}

void Dialler::ended(SendQueue left, bool authenticated) noexcept {
  connection_ = nullptr;
  waiting_ = std::move(left);
  failures_ = authenticated ? 0 : failures_ + 1;
  state_ = authenticated ? State::Idle : State::Pausing;
}

std::size_t Dialler::pause_over(SendQueue::Instant now) noexcept {
  state_ = State::Idle;
  return waiting_.drop_old(now);
}

std::chrono::milliseconds Dialler::pause(std::minstd_rand& random) const {
  const unsigned doublings = std::min(std::max(failures_, 1u) - 1, 6u);
  const auto whole = std::min(kPauseMin * (1u << doublings), kPauseMax);
  std::uniform_int_distribution<std::int64_t> share(whole.count() * 3 / 4, whole.count());
  return std::chrono::milliseconds(share(random));
}

}  // namespace wg::conn
