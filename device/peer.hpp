// A peer of the interface: its session, its endpoint, what is staged for it, and its counters.
//
// Runs on: handshakes, timers and settings of the session on the peer's strand, inside a control
// worker's pass. Any thread: `session`'s data calls, `endpoint`, `roam`, `stage`, `take_staged`,
// the counters. Under the gate's exclusive side: `allowed_ips`, and the settings that `Device`
// makes. Lives: from the device's `add_peer` until its last handler after `stop`; handlers and the
// peer table hold a PeerPtr, shards a plain pointer for the length of a pass. An idle peer owns no
// queue and no buffer.
#pragma once

#include <atomic>
#include <boost/asio/strand.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "device/context.hpp"
#include "protocol/session.hpp"
#include "settings/settings.hpp"

namespace wg::device {

/// Staged inner packets of one peer at the most; the oldest go first.
inline constexpr std::size_t kStagedPacketsMax = 1024;

using StagedPacket = std::vector<std::byte>;

class Peer final : public std::enable_shared_from_this<Peer>,
                   public conn::Correspondent,
                   private TimerWheel::Client {
 public:
  Peer(Context& context, const crypto::PublicKey& key, std::uint64_t sequence);
  ~Peer() override;

  [[nodiscard]] const crypto::PublicKey& key() const noexcept { return session_.remote(); }
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
  [[nodiscard]] protocol::Session& session() noexcept { return session_; }
  /// The peer whose session this is: a session is a member of its peer.
  [[nodiscard]] static Peer& of(protocol::Session& session) noexcept;

  // ---- Any thread, inside a pass.

  [[nodiscard]] conn::Endpoint endpoint() const;
  /// An authentic packet came from there. Logs a change of address; remembers a change of source or
  /// connection.
  void roam(const conn::Endpoint& to);
  void forget_source();

  /// Keeps an inner packet until there is a session; the oldest gives way when there are too many.
  void stage(std::span<const std::byte> inner_packet);
  [[nodiscard]] std::deque<StagedPacket> take_staged();
  [[nodiscard]] bool has_staged() const;

  /// A handshake is complete: as the initiator by the response, as the responder by the first
  /// packet.
  void note_handshake() noexcept;
  /// Begins a handshake on the strand, if none is running.
  void request_handshake();
  /// Looks at the session's timers at `deadline`.
  void arm(protocol::Instant deadline) noexcept { context_.wheel.arm(*this, deadline); }

  void count_sent(std::uint64_t bytes) noexcept {
    tx_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void count_received(std::uint64_t bytes) noexcept {
    rx_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }

  // ---- Hands over to the strand. Any thread.

  void on_initiation(protocol::ReceivedInitiation received, const conn::Endpoint& from);
  void on_response(const protocol::Response& message, const conn::Endpoint& from);
  void on_cookie_reply(const protocol::CookieReply& message);
  /// Sends an empty transport data message, or begins a handshake if there is no session.
  void request_keepalive();
  /// The session goes on over a new connection: a handshake opens it, if it can be opened from
  /// here.
  void connection_lost(const conn::Endpoint& endpoint, bool can_be_dialled) override;

  // ---- Under the gate's exclusive side.

  AllowedIpList allowed_ips;
  void set_endpoint(const conn::Endpoint& endpoint);
  [[nodiscard]] settings::PeerState state() const;
  /// The interface goes down: keys wiped, timers stopped, staged packets dropped.
  void go_down() noexcept;
  /// Removed: as down, and for good.
  void stop() noexcept;

 private:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;

  void timer_fired() noexcept override;
  /// Runs `work` on the strand, inside a pass, if the interface is up then.
  template <class Work>
  void on_strand(Work work);
  template <class Work>
  static void on_strand(std::shared_ptr<Peer> self, Work work);

  void initiate();
  void expire();
  void send_keepalive();
  void answer(protocol::ReceivedInitiation received, conn::Endpoint from);
  void finish(const protocol::Response& message, const conn::Endpoint& from);
  void drop_staged(DropReason reason);
  void confirm_keypair();
  [[nodiscard]] bool leave_connection(bool can_be_dialled);
  void call_anew(const conn::Endpoint& lost, bool can_be_dialled);
  /// Sends a handshake message to the peer's endpoint.
  void send_message(protocol::ByteView message);

  Context& context_;
  const std::uint64_t sequence_;
  Strand strand_;
  protocol::Session session_;
  struct {
    mutable std::mutex mutex;
    conn::Endpoint endpoint;
    conn::Endpoint configured;  // as it was set last: where to call when the way back is lost
    std::unique_ptr<std::deque<StagedPacket>> staged;  // null while nothing is staged
  } shared_;
  std::atomic<std::int64_t> last_handshake_{0};  // wall clock, nanoseconds
  std::atomic<std::uint64_t> tx_bytes_{0};
  std::atomic<std::uint64_t> rx_bytes_{0};
  std::atomic<unsigned> queued_messages_{
      0};  // responses and cookie replies on their way to the strand
};
using PeerPtr = std::shared_ptr<Peer>;

}  // namespace wg::device
