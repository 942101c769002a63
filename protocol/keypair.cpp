#include "protocol/keypair.hpp"

namespace wg::protocol {

std::optional<std::uint64_t> Keypair::reserve(std::uint64_t count) noexcept {
  // Counters close to the limit are checked before they are taken: `fetch_add` alone would run past
  // it and, after enough attempts, wrap. Concurrent callers overshoot by less than the 2^13 that
  // the limit leaves.
  if (next_counter_.load(std::memory_order_relaxed) >= kRejectAfterMessages) return std::nullopt;
  const std::uint64_t first = next_counter_.fetch_add(count, std::memory_order_relaxed);
  if (first >= kRejectAfterMessages || count > kRejectAfterMessages - first) return std::nullopt;
  return first;
}

void KeypairRing::add(KeypairPtr keypair) noexcept {
  if (keypair->role == Role::Initiator) {
    previous_ = next_ ? std::move(next_) : std::move(current_);
    next_.reset();
    current_ = std::move(keypair);
    return;
  }
  next_ = std::move(keypair);  // one that nobody confirmed gives way
  previous_.reset();
}

bool KeypairRing::confirm(const Keypair& keypair) noexcept {
  if (next_.get() != &keypair) return false;
  previous_ = std::move(current_);
  current_ = std::move(next_);
  next_.reset();
  return true;
}

KeypairPtr KeypairRing::find(ReceiverIndex local) const noexcept {
  for (const KeypairPtr* keypair : {&current_, &next_, &previous_}) {
    if (*keypair && (*keypair)->local_index() == local) return *keypair;
  }
  return nullptr;
}

bool KeypairRing::holds(const Keypair& keypair) const noexcept {
  return current_.get() == &keypair || next_.get() == &keypair || previous_.get() == &keypair;
}

void KeypairRing::clear() noexcept {
  previous_.reset();
  current_.reset();
  next_.reset();
}

}  // namespace wg::protocol
