// A peer of the interface: what carries its conversation out. Its endpoint, what is staged for it,
// its counters; what is to be done next, protocol/conversation.hpp says.
//
// Runs on: the peer's strand, inside a control worker's pass: `carry_out` and all that leads there.
// Any worker, inside its pass, and the device's owner: the session's data calls, `endpoint`,
// `roam`, `forget_source`, `stage`, `take_staged`. Any thread: what is handed over to the strand,
// the counters. The owner alone: `state`. Under the gate's exclusive side: `allowed_ips` and the
// settings that `Device` makes.
// Guarded by: `shared_.mutex`, the endpoint and what is staged.
// Lives: from the device's `apply_peer` until its last handler after `stop`; handlers and the peer
// table hold a PeerPtr, shards a plain pointer for the length of a pass. An idle peer owns no queue
// and no buffer.
#pragma once

#include <atomic>
#include <boost/asio/strand.hpp>
#include <deque>
#include <memory>
#include <vector>

#include "device/admission.hpp"
#include "device/context.hpp"
#include "device/places.hpp"
#include "protocol/conversation.hpp"
#include "settings/settings.hpp"
#include "threads/mutex.hpp"

namespace wg::device {

/// Staged inner packets of one peer at the most; the oldest go first.
inline constexpr std::size_t kStagedPacketsMax = 1024;

using StagedPacket = std::vector<std::byte>;

class Peer final : public std::enable_shared_from_this<Peer>,
                   public conn::ConnectionListener,
                   public protocol::SessionOwner,
                   private TimerWheel::Client {
 public:
  Peer(Context& context, const crypto::PublicKey& key, std::uint64_t sequence);
  ~Peer() override;

  [[nodiscard]] const crypto::PublicKey& key() const noexcept { return session().remote(); }
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
  [[nodiscard]] protocol::Session& session() noexcept { return conversation_.session(); }
  [[nodiscard]] const protocol::Session& session() const noexcept {
    return conversation_.session();
  }
  /// The peer whose session this is.
  [[nodiscard]] static Peer& of(protocol::Session& session) noexcept {
    return static_cast<Peer&>(session.owner());
  }

  // ---- Any worker, inside its pass, and the device's owner.

  [[nodiscard]] conn::Endpoint endpoint() const;
  /// An authentic message came from there. Logs a change of address; remembers a change of source
  /// or connection.
  void roam(const Tables& tables, const conn::Endpoint& to);
  void forget_source();

  /// Keeps an inner packet until there is a session. The oldest gives way when there are too many;
  /// when all peers together have too much, this one is dropped.
  void stage(std::span<const std::byte> inner_packet);
  [[nodiscard]] std::deque<StagedPacket> take_staged();
  [[nodiscard]] bool has_staged() const;

  /// A handshake is complete: as the initiator by the response, as the responder by the first
  /// packet.
  void note_handshake() noexcept;
  /// Looks at the session's timers at `deadline`.
  void arm(protocol::Instant deadline) noexcept { context_.wheel.arm(*this, deadline); }

  void count_sent(std::uint64_t bytes) noexcept {
    tx_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void count_received(std::uint64_t bytes) noexcept {
    rx_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  // ---- Hands over to the strand. Any thread.

  /// Begins a handshake, if none is under way.
  void request_handshake();
  /// What may have stood in the way of a handshake is gone (the link, our key, its endpoint):
  /// begins one if anything waits for it, or persistent keepalive is on.
  void retry_handshake();
  void on_initiation(protocol::ReceivedInitiation received, const conn::Endpoint& from);
  /// False if the places for those with this proof are taken.
  [[nodiscard]] bool on_response(const protocol::Response& message, const conn::Endpoint& from,
                                 Proof proof);
  /// A send to `to` came to nothing, because the connection under it is gone.
  void note_refused(const conn::Endpoint& to);
  /// Judged at once.
  void on_cookie_reply(const protocol::CookieReply& message, protocol::Instant now);
  /// The session goes on over a new connection: a handshake opens it, if it can be opened from
  /// here.
  void connection_lost(const conn::Endpoint& endpoint, bool can_be_dialled) override;

  // ---- The device's owner, which alone changes what it shows.

  [[nodiscard]] settings::PeerState state() const;

  // ---- Under the gate's exclusive side.

  AllowedIpList allowed_ips;
  void set_endpoint(Tables& tables, const conn::Endpoint& endpoint);
  /// The interface goes down: keys wiped, timers stopped, staged packets dropped.
  void go_down(Tables& tables) noexcept;
  /// Removed: as down, and for good.
  void stop(Tables& tables) noexcept;

 private:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  /// Responses that may wait for the strand, of each kind of proof.
  static constexpr unsigned kResponsesMax = 16;

  void timer_fired() noexcept override;
  /// Runs `work(peer, tables)` on the strand, inside a pass; when the interface is down, not at
  /// all: then `skipped(peer)` runs instead.
  template <class Work, class Skipped>
  static void on_strand(PeerPtr self, Work work, Skipped skipped);
  template <class Work>
  static void on_strand(PeerPtr self, Work work);

  /// Calls the conversation with how things are, and does what it says. `from`: where the message
  /// came from that it takes, of `bytes`; null: none.
  template <class Call>
  void converse(const Tables& tables, Call call, const conn::Endpoint* from = nullptr,
                std::size_t bytes = 0);
  void carry_out(const Tables& tables, const protocol::Actions& actions, const conn::Endpoint* from,
                 std::size_t bytes);
  void tell(protocol::Event event);
  void drop_staged(DropReason reason);
  /// To the peer's endpoint.
  void send_message(const Tables& tables, protocol::ByteView message, std::uint8_t traffic_class);
  /// The endpoint's connection is gone: the endpoint becomes what the bind says of that. False if
  /// the bind knows none, and only the other side can call.
  bool leave_connection(const Tables& tables) WG_REQUIRES(shared_.mutex);
  /// The connection under `endpoint` is gone: if the peer is still reached there, it is called
  /// anew.
  void reconnect(const Tables& tables, const conn::Endpoint& endpoint);
  void move_to(const conn::Endpoint& endpoint) WG_REQUIRES(shared_.mutex);

  Context& context_;
  const std::uint64_t sequence_;
  Strand strand_;
  protocol::Conversation conversation_;
  struct Shared {
    mutable Mutex mutex;
    conn::Endpoint endpoint WG_GUARDED_BY(mutex);
    /// As it was set last: where to call when the way back is lost.
    conn::Endpoint configured WG_GUARDED_BY(mutex);
    /// Null while nothing is staged.
    std::unique_ptr<std::deque<StagedPacket>> staged WG_GUARDED_BY(mutex);
  } shared_;
  std::atomic<std::int64_t> last_handshake_{0};  // wall clock, nanoseconds
  std::atomic<std::uint64_t> tx_bytes_{0};
  std::atomic<std::uint64_t> rx_bytes_{0};
  std::atomic<bool> refusal_noted_{false};  // and on its way to the strand
  Places unproven_responses_{kResponsesMax};
  Places proven_responses_{kResponsesMax};
};

}  // namespace wg::device
