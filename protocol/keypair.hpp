// A keypair: the two keys that one handshake yielded, and what counts with them; and the three that
// a session keeps.
//
// Previous, current and next (whitepaper 6.3 and 5.4.5's key confirmation):
//
// event                          | previous        | current | next
// we were the initiator, new K   | next ?? current | K       | none
// we were the responder, new K   | none            | =       | K; sends once it is confirmed
// first authentic packet on next | current         | next    | none
// wiped                          | none            | none    | none
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "protocol/clock.hpp"
#include "protocol/constants.hpp"
#include "protocol/handshake.hpp"
#include "protocol/replay_window.hpp"

namespace wg::protocol {

class Session;

/// Whoever has a session and is found again from its receiver indices. A session knows its owner;
/// who made both knows what type it is.
class SessionOwner {
 protected:
  ~SessionOwner() = default;
};

/// Gives out receiver indices, random and unique on the interface, and takes them back. Any thread.
class IndexRegistry {
 public:
  virtual ~IndexRegistry() = default;
  [[nodiscard]] virtual ReceiverIndex claim(Session& owner) = 0;
  virtual void release(ReceiverIndex index) noexcept = 0;
};

/// An index that is given back when its owner (a handshake, then a keypair) ends.
class IndexLease {
 public:
  IndexLease(IndexRegistry& registry, Session& owner)
      : registry_(&registry), index_(registry.claim(owner)) {}
  IndexLease(IndexLease&& other) noexcept
      : registry_(std::exchange(other.registry_, nullptr)), index_(other.index_) {}
  IndexLease& operator=(IndexLease&& other) noexcept {
    std::swap(registry_, other.registry_);
    std::swap(index_, other.index_);
    return *this;
  }
  IndexLease(const IndexLease&) = delete;
  IndexLease& operator=(const IndexLease&) = delete;
  ~IndexLease() {
    if (registry_ != nullptr) registry_->release(index_);
  }
  [[nodiscard]] ReceiverIndex index() const noexcept { return index_; }

 private:
  IndexRegistry* registry_;
  ReceiverIndex index_;
};

enum class Role : std::uint8_t { Initiator, Responder };

/// A transport data message in the making, where it will be sealed: room for the header, then the
/// padded plaintext, then room for the tag.
struct PlainMessage {
  std::byte* message;
  std::size_t plain_bytes;
};

/// Keys and counters of one session. The keys and the send counter: any thread; `replay_window`:
/// under the session's lock. Its end wipes the keys and gives the local index back.
class Keypair {
 public:
  Keypair(const SessionKeys& keys, Role our_role, IndexLease local, ReceiverIndex remote,
          Instant now)
      : send_key(keys.send),
        receive_key(keys.receive),
        role(our_role),
        remote_index(remote),
        created(now),
        local_(std::move(local)) {}

  /// Reserves the next `count` counters and returns the first; none if that would pass
  /// Reject-After-Messages.
  [[nodiscard]] std::optional<std::uint64_t> reserve(std::uint64_t count) noexcept;

  /// Makes transport data messages of plaintexts that stand in their places, with consecutive
  /// counters from `first_counter` on, which were reserved before. One pass of the AEAD for all.
  /// Any thread.
  void seal(std::uint64_t first_counter, std::span<const PlainMessage> messages) const noexcept;
  /// A keepalive under a counter that was reserved.
  [[nodiscard]] Keepalive keepalive(std::uint64_t counter) const noexcept;

  /// True if so many messages were sent that the initiator is to rekey.
  [[nodiscard]] bool rekey_after_messages() const noexcept {
    return next_counter_.load(std::memory_order_relaxed) > kRekeyAfterMessages;
  }
  [[nodiscard]] bool expired(Instant now) const noexcept {
    return now - created >= kRejectAfterTime;
  }
  [[nodiscard]] ReceiverIndex local_index() const noexcept { return local_.index(); }

  /// For tests of the limits only: as if `next` messages had been sent already.
  void skip_to(std::uint64_t next) noexcept { next_counter_ = next; }

  const crypto::TrainKey send_key;
  const crypto::TrainKey receive_key;
  const Role role;
  const ReceiverIndex remote_index;
  const Instant created;
  ReplayWindow replay_window;

 private:
  IndexLease local_;
  std::atomic<std::uint64_t> next_counter_{0};
};
using KeypairPtr = std::shared_ptr<Keypair>;

/// The session's three keypairs. Not thread-safe: the session's lock guards it.
class KeypairRing {
 public:
  /// Takes in the keypair of a finished handshake.
  void add(KeypairPtr keypair) noexcept;

  /// An authentic packet came under `keypair`. True if that confirmed it: it was next and is
  /// current now.
  bool confirm(const Keypair& keypair) noexcept;

  [[nodiscard]] KeypairPtr find(ReceiverIndex local) const noexcept;
  [[nodiscard]] const KeypairPtr& current() const noexcept { return current_; }
  [[nodiscard]] bool holds(const Keypair& keypair) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return !previous_ && !current_ && !next_; }
  void clear() noexcept;

 private:
  KeypairPtr previous_;
  KeypairPtr current_;
  KeypairPtr next_;
};

}  // namespace wg::protocol
