// The outer end: how WireGuard messages reach other machines. UDP for everybody; streams (TCP,
// vsock) where UDP does not go.
//
// Messages come and go in *trains*: datagrams of one size, the last perhaps shorter, one behind the
// other in one buffer. A single message is a train of one. Calls are per batch; nothing is virtual
// per packet.
//
// Each shard has its own way in and out.
//
// Runs on: the shard itself, inside its pass: `async_readable`, `receive`. Any worker, inside its
// pass: `send`, since handshakes are sent from the control pool; `roam_to`, `after_loss`,
// `reachable`. While all workers are held off (device/batch_gate.hpp): `open`, `close` and
// `set_mark`, which change what the others use; `release`, `forget`, `after_setting`. Any thread:
// `lost_later`, `parse_endpoint`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "conn/endpoint.hpp"
#include "errors/failure.hpp"

namespace wg::conn {

/// A transport message's datagrams may not exceed this (IPv4: 65,535 − 20 − 8).
inline constexpr std::size_t kTrainBytesMax = 65'507;
/// Datagrams in a train; the kernel's bound for one `UDP_SEGMENT` send.
inline constexpr std::size_t kTrainSegmentsMax = 64;
/// Trains that one `receive` yields at the most.
inline constexpr std::size_t kReceiveTrainsMax = 64;
/// Room for a train as the kernel joins them, or a stream's longest frame.
inline constexpr std::size_t kTrainRoom = 65'536;
/// Room that `receive` is given; what more would bring would not stay in the cache.
inline constexpr std::size_t kReceiveRoom = 8 * kTrainRoom;

/// The two ECN bits of an IP header (RFC 3168).
enum class Ecn : std::uint8_t {
  NotCapable = 0,
  Capable1 = 1,
  Capable0 = 2,
  CongestionExperienced = 3
};
inline std::ostream& operator<<(std::ostream& out, Ecn ecn) {
  switch (ecn) {
    case Ecn::NotCapable:
      return out << "not capable";
    case Ecn::Capable1:
      return out << "capable (1)";
    case Ecn::Capable0:
      return out << "capable (0)";
    case Ecn::CongestionExperienced:
      return out << "congestion experienced";
  }
  return out;
}

struct ReceivedTrain {
  std::span<std::byte> bytes;
  std::size_t segment_size = 0;
  Endpoint source;
  Ecn ecn = Ecn::NotCapable;  // of the outer header
};

/// What one `receive` has yielded.
struct Received {
  std::size_t trains = 0;
  /// What came and is no message: a stream's frame that is none. It is not among the trains.
  std::size_t malformed = 0;
  /// The room may hold more than `trains` could take: it is to be asked again with the same room.
  bool more = false;
};

struct OutgoingTrain {
  std::span<const std::byte> bytes;  // kTrainBytesMax at most
  std::size_t segment_size;          // kTrainSegmentsMax of them at most
  std::uint8_t traffic_class;        // the outer header's TOS / traffic class: DSCP and ECN

  [[nodiscard]] std::size_t datagrams() const noexcept {
    return (bytes.size() + segment_size - 1) / segment_size;
  }
};

/// The datagrams of some trains, one after the other.
class Datagrams {
 public:
  explicit Datagrams(std::span<const OutgoingTrain> trains) noexcept : trains_(trains) {}
  [[nodiscard]] bool left() const noexcept { return !trains_.empty(); }
  [[nodiscard]] std::span<const std::byte> next() noexcept {
    const OutgoingTrain& train = trains_.front();
    const auto datagram =
        train.bytes.subspan(at_, std::min(train.segment_size, train.bytes.size() - at_));
    at_ += train.segment_size;
    if (at_ >= train.bytes.size()) {
      trains_ = trains_.subspan(1);
      at_ = 0;
    }
    return datagram;
  }

 private:
  std::span<const OutgoingTrain> trains_;
  std::size_t at_ = 0;
};

/// One message to one endpoint.
struct Letter {
  Endpoint* to = nullptr;
  std::span<const std::byte> message;
};

/// What became of a send.
struct SendOutcome {
  std::size_t failed_datagrams = 0;
  std::size_t failed_bytes = 0;
  int error = 0;                  // errno of the last failure
  bool source_forgotten = false;  // the endpoint's cached source had vanished

  /// A datagram of `bytes` cannot go.
  void fail(std::size_t bytes, int why) noexcept {
    failed_datagrams++;
    failed_bytes += bytes;
    error = why;
  }
};

/// None of the trains can go.
[[nodiscard]] inline SendOutcome refused(std::span<const OutgoingTrain> trains,
                                         int error) noexcept {
  SendOutcome outcome{.error = error};
  for (const OutgoingTrain& train : trains) {
    outcome.failed_datagrams += train.datagrams();
    outcome.failed_bytes += train.bytes.size();
  }
  return outcome;
}

/// Whoever is reached at an endpoint: told when the connection under it breaks.
/// Runs on: any thread, perhaps from within a call of the bind's: it may not call the bind before
/// it has returned.
class ConnectionListener {
 public:
  virtual ~ConnectionListener() = default;
  /// `endpoint` is what `roam_to` has returned for that connection; or, when what was sent to an
  /// endpoint without a connection has opened one that ended before anything authentic came on it,
  /// that endpoint. Who is reached at another one by now, or on another connection, has lost
  /// nothing (`Endpoint::identical`). `can_be_dialled`: what is sent to that endpoint from now on
  /// opens a new connection. If not, only the other side can; see `Bind::after_loss`.
  virtual void connection_lost(const Endpoint& endpoint, bool can_be_dialled) = 0;
};

class Bind {
 public:
  virtual ~Bind() = default;

  /// Opens on `port` (0: any that is free) for all shards, and returns the port. When open already,
  /// the new port is taken before the old one is let go; a failure leaves all as it was.
  [[nodiscard]] virtual Result<std::uint16_t> open(std::uint16_t port) = 0;
  /// Pending `async_readable` handlers are not called any more.
  virtual void close() noexcept = 0;
  /// The firewall mark of what is sent, also by sockets opened later; 0: none.
  [[nodiscard]] virtual Result<void> set_mark(std::uint32_t mark) = 0;

  /// Calls `ready` on the shard's executor when `receive` may yield something. One wait at a time
  /// for each shard.
  virtual void async_readable(std::size_t shard, std::function<void()> ready) = 0;
  /// Takes what has arrived into `room` (kReceiveRoom bytes), where the trains lie and may be
  /// written to; no trains: dry, wait again.
  [[nodiscard]] virtual Received receive(std::size_t shard, std::span<std::byte> room,
                                         std::span<ReceivedTrain> trains) noexcept = 0;

  /// Sends the trains in order. A failure concerns these datagrams only. Forgets the source of `to`
  /// if it has vanished.
  virtual SendOutcome send(std::size_t shard, Endpoint& to,
                           std::span<const OutgoingTrain> trains) noexcept = 0;
  /// Sends small messages to as many endpoints, best effort: nobody is told what fails.
  virtual void send_each(std::size_t shard, std::span<const Letter> letters) noexcept {
    for (const Letter& letter : letters) {
      const OutgoingTrain train{
          .bytes = letter.message, .segment_size = letter.message.size(), .traffic_class = 0};
      (void)send(shard, *letter.to, {&train, 1});
    }
  }
  /// Whether endpoints carry a source address of ours, which may be out of place when routes
  /// change.
  [[nodiscard]] virtual bool caches_sources() const noexcept { return false; }
  /// The UDP port that messages leave from; 0: they do not travel as UDP, or it is closed.
  [[nodiscard]] virtual std::uint16_t udp_port() const noexcept { return 0; }

  /// An authentic message came from `from` while its sender was reached at `current`: returns where
  /// to reach it from now on.
  ///
  ///   current                       | from                          | from now on
  ///   ------------------------------+-------------------------------+-----------------------------
  ///   any                           | a datagram's source           | from
  ///   a connection heard of lately, | one that the other side has   | the one of the two that both
  ///   that one side has dialled     | dialled, while we listen, too | sides choose
  ///   any other                     | a connection                  | from
  ///
  /// The sender is told when a connection breaks. If that of `from` has ended already, nobody is
  /// told: what is returned can still be reached then, if `current` can.
  [[nodiscard]] virtual Endpoint roam_to(const Endpoint& current, const Endpoint& from,
                                         std::weak_ptr<ConnectionListener> sender) noexcept {
    (void)current, (void)sender;
    return from;
  }
  /// Nobody is reached at `endpoint` any more: its connection and attempts at one end.
  virtual void release(const Endpoint& endpoint) noexcept { (void)endpoint; }
  /// The peer is gone: all connections on which it has spoken end, and it is told of nothing any
  /// more. What it was reached at is released besides, since attempts to dial know no peer.
  virtual void forget(const ConnectionListener& peer) noexcept { (void)peer; }

  // Where a peer is reached from now on that was reached at `current`, and whose endpoint was set
  // to `configured` (unknown: never). They change nothing: the caller releases what it leaves.
  //
  //   current                      | after_loss                  | after_setting
  //   -----------------------------+-----------------------------+------------------------------
  //   a datagram's source          | current                     | configured
  //   unknown                      | configured                  | configured
  //   without a connection         | current                     | configured
  //   on a connection that we have | current without it: dialled | configured
  //   dialled                      | when something is sent      |
  //   on one that we have accepted | configured; unknown if there| configured; current if it lives
  //                                | is none: only the other side| and `configured` is what it was
  //                                | can call                    | before

  /// The connection under `current` is gone: `ConnectionListener::connection_lost` has told so, or
  /// a send was refused with ENOTCONN, or the interface went down.
  [[nodiscard]] virtual Endpoint after_loss(const Endpoint& current,
                                            const Endpoint& configured) const noexcept {
    (void)configured;
    return current;
  }
  /// The peer's endpoint is set to `configured`, and was set to `before` last (unknown: never). A
  /// live connection that the peer has called on is not given up for what was known already.
  [[nodiscard]] virtual Endpoint after_setting(const Endpoint& current, const Endpoint& before,
                                               const Endpoint& configured) const noexcept {
    (void)current, (void)before;
    return configured;
  }
  /// Whether what is sent there has any chance to leave.
  [[nodiscard]] virtual bool reachable(const Endpoint& endpoint) const noexcept {
    return endpoint.known();
  }
  /// Datagrams that a send had taken and that were dropped afterwards: too old, too many, or their
  /// connection gone.
  [[nodiscard]] virtual std::uint64_t lost_later() const noexcept { return 0; }

  /// An endpoint of this bind's kind; the unexpected value says what is wrong with the text,
  /// without repeating it.
  [[nodiscard]] virtual std::expected<Endpoint, std::string> parse_endpoint(
      std::string_view text) const = 0;
};

}  // namespace wg::conn
