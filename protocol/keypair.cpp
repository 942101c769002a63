#include "protocol/keypair.hpp"

#include <algorithm>
#include <cstring>

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

void Keypair::seal(std::uint64_t first_counter,
                   std::span<const PlainMessage> messages) const noexcept {
  constexpr std::size_t kAtOnce = 128;
  while (!messages.empty()) {
    std::array<crypto::SealPacket, kAtOnce> train;
    const std::size_t count = std::min(messages.size(), kAtOnce);
    for (std::size_t i = 0; i < count; i++) {
      const std::uint64_t counter = first_counter + i;
      const TransportDataHeader header{.receiver = remote_index, .counter = counter};
      std::memcpy(messages[i].message, &header, sizeof header);
      std::byte* const plain = messages[i].message + sizeof header;
      train[i] = {
          .counter = counter, .source = plain, .target = plain, .size = messages[i].plain_bytes};
    }
    send_key.seal(std::span(train).first(count));
    messages = messages.subspan(count);
    first_counter += count;
  }
}

Keepalive Keypair::keepalive(std::uint64_t counter) const noexcept {
  Keepalive keepalive;
  const PlainMessage message{.message = reinterpret_cast<std::byte*>(&keepalive), .plain_bytes = 0};
  seal(counter, {&message, 1});
  return keepalive;
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
