// Handshake messages from the wire: which are worth the cost of looking closer, and who looks.
//
//   shard:         mac1, load and share of the source, cookie     ── admitted ──►   control pool
//   control pool:  whose is it? (one X25519), the peer's strand answers or finishes
//
// A stranger's initiation costs us several X25519, so it is admitted before that:
//
// waiting               | source within its share     | source over its share
// < kBusyAt             | taken                       | taken, while some are to spare
// < kOverloadedAt       | taken                       | asked for a cookie; with one: dropped
// more, or so 1 s ago*  | asked for one; then taken   | asked for a cookie; with one: dropped
// kQueueMax             | dropped                     | dropped
//
// * or, within that second, as many turned away as would make it so again.
//
// So one attacker, however fast, does not put the others into cookie mode, and many need to prove
// their addresses. What is to spare is for many peers behind one address who come at once; a flood
// that uses it up costs a small part of one core, and not the traffic. Responses and cookie replies
// answer something of ours: an unknown index is dropped for the price of a look-up, a known one
// goes to its peer, past the queue.
#pragma once

#include <atomic>
#include <vector>

#include "device/context.hpp"
#include "device/rate_limiter.hpp"

namespace wg::device {

/// How the table of peers is asked for the peer of a static key; null if there is none. Inside a
/// pass.
class PeerDirectory {
 public:
  virtual ~PeerDirectory() = default;
  [[nodiscard]] virtual std::shared_ptr<Peer> find_peer(const crypto::PublicKey& key) const = 0;
};

class Handshakes {
 public:
  static constexpr std::size_t kQueueMax = 4096;
  static constexpr std::size_t kBusyAt = 128;
  static constexpr std::size_t kOverloadedAt = 1024;
  static constexpr std::chrono::seconds kOverloadLasts{1};
  /// A source's share, as in the kernel.
  static constexpr unsigned kInitiationsPerSecond = 20;
  static constexpr unsigned kInitiationsBurst = 5;
  /// For all sources together, beyond their shares; 50 µs of one core each.
  static constexpr unsigned kSparePerSecond = 500;
  static constexpr unsigned kSpareBurst = 1000;
  /// A source gets no more cookie replies than this: honest initiators ask every five seconds.
  static constexpr unsigned kCookieRepliesPerSecond = 5;

  Handshakes(Context& context, const PeerDirectory& directory, std::size_t shards);

  // ---- A shard, inside its pass.
  void initiation(std::size_t shard, const protocol::Initiation& message,
                  const conn::Endpoint& from, protocol::Instant now);
  void response(const protocol::Response& message, const conn::Endpoint& from);
  void cookie_reply(const protocol::CookieReply& message);

 private:
  struct Limits {  // a shard's own
    RateLimiter initiations{kInitiationsPerSecond, kInitiationsBurst};
    RateLimiter spare{kSparePerSecond, kSpareBurst};
    RateLimiter cookie_replies{kCookieRepliesPerSecond, kCookieRepliesPerSecond};
  };
  enum class Verdict : std::uint8_t { Take, AskForCookie, RateLimited, QueueFull };

  [[nodiscard]] Verdict judge(Limits& limits, const protocol::Initiation& message,
                              const conn::Endpoint& from, protocol::Instant now);
  [[nodiscard]] bool overloaded(std::size_t waiting, protocol::Instant now) noexcept;
  void overload_goes_on(protocol::Instant now) noexcept;
  void reply_with_cookie(std::size_t shard, const protocol::Initiation& message,
                         const conn::Endpoint& from, protocol::Instant now);
  /// On the control pool.
  void open(const protocol::Initiation& message, const conn::Endpoint& from);

  Context& context_;
  const PeerDirectory& directory_;
  std::vector<std::unique_ptr<Limits>> limits_;
  std::atomic<std::size_t> waiting_{0};
  std::atomic<std::size_t> turned_away_{0};  // since the overload began or was prolonged
  std::atomic<protocol::Instant> overloaded_until_{protocol::Instant::min()};
};

}  // namespace wg::device
