// The session with one peer: bytes, keys and time in; bytes, events and deadlines out. No socket,
// no thread, no clock.
//
// Data, from any thread, batch by batch. Each call locks for its bookkeeping only; sealing and
// opening happen outside the lock, on a keypair that the batch keeps alive:
//
//   send:     prepare_send(n, …)  ─►  keypair + n counters  ─►  Keypair::send_key.seal(train)
//   receive:  keypair_for(index)  ─►  Keypair::receive_key.open(train)  ─►  accept(keypair, train)
//
// Handshakes, one call at a time (in the daemon: on the peer's strand), since they are slow and
// hold no lock for it:
//
//   state   | event                     | next    | what happens
//   Idle    | initiate                  | Pending | initiation; Rekey-Timeout is armed
//   Pending | initiate (retransmission) | Pending | another: new ephemeral, new stamp, new index
//   Pending | finish: response accepted | Idle    | its keypair becomes current
//   Pending | expire: gave up           | Idle    | the pending ephemeral is wiped
//   any     | respond                   | =       | its keypair becomes next until confirmed
//
// Initiating and responding keep separate states, so two peers that initiate at once both end with
// a session.
//
// Whoever drives a session calls `expire` when `next_deadline` (or the `next` that data calls
// return) has come, and does what it says. All that is secret wipes itself when it ends, at the
// latest with the session.
#pragma once

#include <expected>
#include <iosfwd>
#include <optional>
#include <span>

#include "protocol/cookie.hpp"
#include "protocol/handshake.hpp"
#include "protocol/keypair.hpp"
#include "protocol/session_timers.hpp"
#include "threads/mutex.hpp"

namespace wg::protocol {

enum class Payload : std::uint8_t { Data, Keepalive };

/// Leave to send `count` packets, or what is missing.
struct SendTicket {
  KeypairPtr keypair;  // null: no session, so stage the packets
  std::uint64_t first_counter = 0;
  bool handshake_due = false;  // begin one (if none runs); said at most once per Rekey-Timeout
  Instant next = kNever;       // look again then, at the latest
};

/// A packet of an inbound train that was opened; `accept` fills in `fresh`.
struct OpenedPacket {
  std::uint64_t counter;
  bool data;           // not a keepalive
  bool fresh = false;  // out: neither replayed nor too old
};

/// What an inbound train meant for the session.
struct Acceptance {
  bool any_fresh = false;  // at least one packet counts: the peer may roam to where it came from
  bool confirmed = false;  // the keypair was next and is current now: staged packets may go
  bool handshake_due = false;
  Instant next = kNever;
};

/// Why a handshake message was not taken.
enum class HandshakeError : std::uint8_t {
  BadKey,       // small-order point, or keys that do not match
  Replayed,     // a stamp that is not later than the last
  TooFrequent,  // initiations closer together than kInitiationIntervalMin
  Unexpected,   // a response to no initiation of ours, or the session is closed
};
std::ostream& operator<<(std::ostream& out, HandshakeError error);

class Session {
 public:
  /// `owner`: who is found again from the session; it outlives it.
  Session(IndexRegistry& registry, const PublicKey& remote, SessionOwner& owner);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- Data. Any thread.

  [[nodiscard]] SendTicket prepare_send(std::size_t count, Payload payload, Instant now) noexcept;
  [[nodiscard]] KeypairPtr keypair_for(ReceiverIndex local) const noexcept;
  /// `packets`: those of the train that were authentic.
  [[nodiscard]] Acceptance accept(const KeypairPtr& keypair, std::span<OpenedPacket> packets,
                                  Instant now) noexcept;

  // ---- Handshakes. One call at a time.

  /// A signed initiation to send; none if the remote key cannot be used, or the session is closed.
  /// `secrets`: if not null, receives what a key log needs.
  [[nodiscard]] std::optional<Initiation> initiate(const LocalIdentity& local, Instant now,
                                                   WallTime wall,
                                                   HandshakeSecrets* secrets = nullptr) noexcept;
  /// Checks who sent `received` and, if it is this peer and no replay, answers it.
  [[nodiscard]] std::expected<Response, HandshakeError> respond(
      const LocalIdentity& local, ReceivedInitiation received, Instant now,
      HandshakeSecrets* secrets = nullptr) noexcept;
  /// Completes the handshake that `message` answers. The keypair is current afterwards.
  [[nodiscard]] std::expected<void, HandshakeError> finish(const LocalIdentity& local,
                                                           const Response& message,
                                                           Instant now) noexcept;
  /// Any thread.
  [[nodiscard]] bool consume(const CookieReply& reply, Instant now) noexcept;
  [[nodiscard]] DueTimers expire(Instant now) noexcept;

  // ---- Settings. One call at a time, beside handshakes.

  /// Takes effect at the next handshake; the running session goes on.
  void set_preshared_key(const PresharedKey& key) noexcept { preshared_ = key; }
  [[nodiscard]] const PresharedKey& preshared_key() const noexcept { return preshared_; }
  /// True if that turned it on: a keepalive is due at once. The deadline moves only if the interval
  /// is another one, so that setting it again and again does not put keepalives off.
  [[nodiscard]] bool set_persistent_keepalive(std::chrono::seconds interval, Instant now) noexcept;
  [[nodiscard]] std::chrono::seconds persistent_keepalive() const noexcept;
  /// A persistent keepalive is due now: it counts as a new attempt, and the next is an interval
  /// away, whatever becomes of this one.
  void persistent_keepalive_now(Instant now) noexcept;
  /// A handshake is wanted and cannot begin yet. Forgotten when one begins, or a session comes
  /// about. `staged`: packets wait for it, which do not wait for ever.
  void want_handshake(bool staged, Instant now) noexcept;
  [[nodiscard]] bool handshake_wanted() const noexcept;
  /// Our own static key has changed: all that came of the old one is wiped.
  void identity_changed() noexcept;
  /// The peer is to be reached elsewhere: what was sent to where it was puts off no new initiation.
  void endpoint_changed() noexcept;

  /// Wipes keypairs and pending handshake and stops the timers: the interface goes down.
  void clear() noexcept;
  /// As `clear`, and for good: nothing can begin any more.
  void close() noexcept;

  // ---- Any thread.

  [[nodiscard]] const PublicKey& remote() const noexcept { return remote_; }
  [[nodiscard]] SessionOwner& owner() const noexcept { return owner_; }
  [[nodiscard]] Instant next_deadline() const noexcept;
  /// Whether an initiation was sent less than Rekey-Timeout ago and waits for its response: not yet
  /// time for another.
  [[nodiscard]] bool initiated_recently(Instant now) const noexcept;
  /// Since when the peer is being called without an answer; kNever: it is not.
  [[nodiscard]] Instant unanswered_since() const noexcept;
  /// Whether there is a session to send with: `prepare_send` yields a keypair, while its counters
  /// last.
  [[nodiscard]] bool can_send(Instant now) const noexcept;
  /// Null without a session; it may have expired.
  [[nodiscard]] KeypairPtr current_keypair() const noexcept;

 private:
  /// What data and handshakes share.
  struct DataState {
    mutable Mutex mutex;
    KeypairRing keypairs WG_GUARDED_BY(mutex);
    SessionTimers timers WG_GUARDED_BY(mutex);
    Instant last_handshake_wanted WG_GUARDED_BY(mutex) = Instant::min();
    Instant last_initiation WG_GUARDED_BY(mutex) = Instant::min();
    bool handshake_wanted WG_GUARDED_BY(mutex) = false;  // and no initiation has left since
    bool closed WG_GUARDED_BY(mutex) = false;

    [[nodiscard]] bool can_send(Instant now) const noexcept WG_REQUIRES(mutex);
    void forget_attempts() noexcept WG_REQUIRES(mutex) {
      last_handshake_wanted = last_initiation = Instant::min();
    }
    [[nodiscard]] bool want_handshake(Instant now) noexcept WG_REQUIRES(mutex);
    void add(KeypairPtr keypair, Instant now) noexcept WG_REQUIRES(mutex);
  };
  struct Pending {
    PendingInitiation initiation;
    IndexLease lease;
  };

  [[nodiscard]] const SharedSecret* static_static(const LocalIdentity& local) noexcept;

  IndexRegistry& registry_;
  const PublicKey remote_;
  SessionOwner& owner_;
  DataState data_;

  // Handshakes only.
  PresharedKey preshared_;
  /// Computed at the first handshake: most of 100,000 peers never have one. Of one identity of
  /// ours.
  struct StaticStatic {
    PublicKey local;
    SharedSecret secret;
  };
  std::unique_ptr<StaticStatic> static_static_;
  std::optional<Pending> pending_;
  CookieJar cookies_;
  Tai64nClock stamps_;
  std::optional<Tai64n> last_stamp_;  // the latest of the peer's
  Instant last_initiation_received_ = Instant::min();
};

}  // namespace wg::protocol
