// What one peer does next: the driver of a session, without I/O.
//
// Events come in (`due`, `take`, `call`, `connection_lost`), one value comes out: `Actions`.
// Whoever drives it (the daemon's peer, the simulation, the benchmarks, a program that embeds the
// protocol) carries all of it out, in the order in which its members stand, and calls `due` when
// `next` has come. Transport data does not pass through here: it goes by the session's data calls,
// from any thread, which say when a handshake is due.
//
//   event           | who says so                             | what comes of it
//   due             | the clock has reached `next`            | what the timers say (6.1–6.5)
//   take initiation | it came, its cookie and load are judged | a response; the peer may roam
//   take response   | it came for our index                   | staged packets go, or a keepalive
//   take cookie     | it came for our index                   | kept for the next handshake message
//   call            | a handshake is due, or what stood in    | an initiation, unless one is under
//                   | its way is gone                         | way
//   keepalive       | persistent keepalive has been turned on | a keepalive, or else an initiation
//   connection lost | a stream under the peer broke           | both, if there was a session
//
// A handshake is wanted until an initiation leaves, not until one is attempted: without a private
// key or a known endpoint it stays wanted (`wants_handshake`), and `call` begins it as soon as what
// was missing is there. A new key of ours wipes the session, and none is wanted any more: then what
// is staged, or persistent keepalive, is the reason to `call`.
//
// Not thread-safe, but for the session's data calls, `wants_handshake` and `take(CookieReply)`: in
// the daemon it runs on the peer's strand.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <variant>

#include "protocol/session.hpp"

namespace wg::protocol {

/// How things are when the conversation is called. `wall`: for the time stamp of an initiation
/// only.
struct Situation {
  const LocalIdentity* local = nullptr;  // null: we have no private key
  bool reachable = false;                // the peer's endpoint is known
  bool staged = false;                   // inner packets wait for a session
  Instant now;
  WallTime wall;
  HandshakeSecrets* secrets = nullptr;  // where a key log wants them; null: nowhere
};

/// What has happened, by name: for a log and for counters.
enum class Event : std::uint8_t {
  NoAnswer,            // initiations or data went unanswered: trying again
  GaveUp,              // no answer within Rekey-Attempt-Time
  KeysWiped,           // three times Reject-After-Time without a handshake
  NoIdentity,          // a handshake is due, and we have no private key
  EndpointUnknown,     // a handshake is due, and nobody knows where to
  StagedTooLong,       // it could not begin for Rekey-Attempt-Time: what is staged is given up
  KeyUnusable,         // the peer's public key is of small order
  InitiationSent,      //
  ResponseSent,        // an initiation was taken and is answered
  Established,         // a response was taken: the keypair is current
  KeepaliveSent,       //
  CookieTaken,         // the next handshake message will carry it
  CookieUnexpected,    // it answers nothing of ours, or does not authenticate
  InitiationForged,    // it does not authenticate
  InitiationReplayed,  // its stamp is not later than the last
  InitiationTooSoon,   // closer to the last than kInitiationIntervalMin
  InitiationRefused,   // the session is closed, or our key has gone
  ResponseForged,      // it does not authenticate: another preshared key, perhaps
  ResponseUnexpected,  // it answers nothing of ours
  ConnectionLost,      // calling again over a new one
};

/// A few values in place: no call yields more than `Max`.
template <class Value, std::size_t Max>
class Few {
 public:
  void push_back(const Value& value) noexcept {
    if (count_ < Max) values_[count_++] = value;
  }
  [[nodiscard]] const Value* begin() const noexcept { return values_.data(); }
  [[nodiscard]] const Value* end() const noexcept { return values_.data() + count_; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

 private:
  std::array<Value, Max> values_{};
  std::size_t count_ = 0;
};

using OutgoingMessage = std::variant<Keepalive, Initiation, Response>;
[[nodiscard]] ByteView bytes_of(const OutgoingMessage& message) noexcept;

/// What is to become of the inner packets that wait for a session.
enum class StagedPackets : std::uint8_t { Keep, Send, Drop };

/// What is to be done, in this order. Keys in it are public ones, or sealed.
struct Actions {
  Few<Event, 8> events;
  /// The message that was taken is the peer's: it counts, and the peer may roam to where it came
  /// from.
  bool authentic = false;
  /// The path is in doubt: the cached source address, if there is one, goes.
  bool forget_source = false;
  /// To the peer's endpoint.
  Few<OutgoingMessage, 2> messages;
  StagedPackets staged = StagedPackets::Keep;
  /// Call `due` then, at the latest.
  Instant next = kNever;

  [[nodiscard]] bool has(Event event) const noexcept {
    for (const Event happened : events) {
      if (happened == event) return true;
    }
    return false;
  }
};

class Conversation {
 public:
  /// `owner`: who is found again from a receiver index, see `Session::owner`.
  Conversation(IndexRegistry& registry, const PublicKey& remote, SessionOwner& owner)
      : session_(registry, remote, owner) {}

  [[nodiscard]] Session& session() noexcept { return session_; }
  [[nodiscard]] const Session& session() const noexcept { return session_; }

  [[nodiscard]] Actions due(const Situation& situation) noexcept;
  [[nodiscard]] Actions take(ReceivedInitiation received, const Situation& situation) noexcept;
  [[nodiscard]] Actions take(const Response& message, const Situation& situation) noexcept;
  /// Any thread: what does not authenticate must not take up a place in a queue.
  [[nodiscard]] Actions take(const CookieReply& message, Instant now) noexcept;
  [[nodiscard]] Actions call(const Situation& situation) noexcept;
  [[nodiscard]] Actions keepalive(const Situation& situation) noexcept;
  [[nodiscard]] Actions connection_lost(const Situation& situation) noexcept;

  /// Whether `call` or, with persistent keepalive, `keepalive` would help as soon as key, endpoint
  /// and link are there. Any thread.
  [[nodiscard]] bool wants_handshake() const noexcept { return session_.handshake_wanted(); }

 private:
  void initiate(const Situation& situation, Actions& actions) noexcept;
  void send_keepalive(const Situation& situation, Actions& actions) noexcept;
  [[nodiscard]] Actions finished(Actions actions) const noexcept;

  Session session_;
};

}  // namespace wg::protocol
