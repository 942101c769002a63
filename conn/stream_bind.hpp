// WireGuard over streams: TCP or vsock, on the wire of wireguard-go-vsock (conn/frame.hpp).
//
// Who is reached how:
//   - an endpoint that carries a connection's number is reached on that connection, while it lives;
//   - one that was set by the user is dialled when something is to be sent, again and again with
//     growing pauses while anything waits;
//   - one that was accepted and whose connection is gone is out of reach: its port was ephemeral.
//
// A connection that was accepted is nobody's until an authentic message comes on it
// (conn/unauthenticated.hpp); then it is its peer's, who keeps a few (conn/peer_connections.hpp).
// Where we dial, and when again: conn/dialler.hpp.
//
// Runs on: each connection's shard: `receive` and what leads to it. The first shard: accepting, and
// the end of a dialler's pause. Any thread: everything else.
// Guarded by: `mutex_`, the tables, taken once a batch. While it is held, no lock of a connection
// is taken and nobody is told.
#pragma once

#include <spdlog/logger.h>

#include <deque>
#include <random>
#include <unordered_map>

#include "conn/dialler.hpp"
#include "conn/peer_connections.hpp"
#include "conn/stream_connection.hpp"
#include "conn/stream_socket.hpp"
#include "conn/unauthenticated.hpp"
#include "threads/mutex.hpp"

namespace wg::conn {

class StreamBind final : public Bind, private StreamConnection::Owner {
 public:
  /// One context for each shard; they outlive the bind.
  StreamBind(StreamNetwork network, std::vector<boost::asio::io_context*> shards,
             std::shared_ptr<spdlog::logger> log,
             const UnauthenticatedBounds& bounds = UnauthenticatedBounds::of_this_process());
  ~StreamBind() override;

  /// `port` 0: no listener, we only dial; returns 0 then.
  [[nodiscard]] Result<std::uint16_t> open(std::uint16_t port) override;
  void close() noexcept override;
  [[nodiscard]] Result<void> set_mark(std::uint32_t mark) override;
  void async_readable(std::size_t shard, std::function<void()> ready) override;
  [[nodiscard]] Received receive(std::size_t shard, std::span<std::byte> room,
                                 std::span<ReceivedTrain> trains) noexcept override;
  SendOutcome send(std::size_t shard, Endpoint& to,
                   std::span<const OutgoingTrain> trains) noexcept override;
  [[nodiscard]] Endpoint roam_to(const Endpoint& current, const Endpoint& from,
                                 std::weak_ptr<ConnectionListener> sender) noexcept override;
  void release(const Endpoint& endpoint) noexcept override;
  void forget(const ConnectionListener& peer) noexcept override;
  [[nodiscard]] Endpoint after_loss(const Endpoint& current,
                                    const Endpoint& configured) const noexcept override;
  [[nodiscard]] Endpoint after_setting(const Endpoint& current, const Endpoint& before,
                                       const Endpoint& configured) const noexcept override;
  [[nodiscard]] bool reachable(const Endpoint& endpoint) const noexcept override;
  [[nodiscard]] std::uint64_t lost_later() const noexcept override { return lost_later_; }
  [[nodiscard]] std::expected<Endpoint, std::string> parse_endpoint(
      std::string_view text) const override {
    return conn::parse_endpoint(network_, text);
  }

  /// Connections that live, unauthenticated ones included.
  [[nodiscard]] std::size_t connections() const;

 private:
  /// Of one connection at once; the beginning of a frame goes before it.
  static constexpr std::size_t kReadBytesMax = 256 * 1024;
  static_assert(kFrameMax + kReadBytesMax <= kReceiveRoom);

  struct Shard {
    boost::asio::io_context& context;
    std::deque<StreamConnectionPtr> readable;  // in turns
    StreamConnectionPtr current;               // whose bytes the room holds
    std::span<std::byte> left;                 // of them, not handed out yet
    bool full = false;                         // the last read was
    std::function<void()> ready;               // whoever waits; null: nobody
  };
  struct Listener {
    Listener(boost::asio::io_context& context, Descriptor fd) : descriptor(context, fd.release()) {}
    void close() {
      const Lock lock(mutex);
      boost::system::error_code ignored;
      descriptor.close(ignored);
    }
    Mutex mutex;
    boost::asio::posix::stream_descriptor descriptor WG_GUARDED_BY(mutex);
  };
  /// What went wrong again and again since it was logged last.
  struct AcceptFailures {
    std::size_t count = 0;
    std::chrono::steady_clock::time_point told{};
  };

  void connected(const StreamConnectionPtr& connection) override;
  void readable(const StreamConnectionPtr& connection) override;
  void dropped(const StreamConnectionPtr& connection, std::size_t frames) override;
  void ended(const StreamConnectionPtr& connection, const std::string& why) override;

  [[nodiscard]] Result<void> mark_all(std::uint32_t mark);
  void wait_to_accept(const std::shared_ptr<Listener>& listener);
  void accept_all(const std::shared_ptr<Listener>& listener);
  void take_in(Accepted accepted);
  /// At debug level a flood of those who do not authenticate is a few lines a second.
  [[nodiscard]] bool may_tell_of(const StreamConnection& connection);
  /// Descriptors or memory have run out: false if there is nobody who could give way.
  [[nodiscard]] bool make_room(int error);
  [[nodiscard]] StreamConnectionPtr make(Descriptor fd, const Endpoint& remote, bool accepted,
                                         SendQueue queue) WG_REQUIRES(mutex_);
  /// The beginning of a frame on it takes other memory than before.
  void note_occupied(const StreamConnectionPtr& connection);
  static void end_all(std::span<const StreamConnectionPtr> connections, const char* why);
  /// They end, and nobody is told.
  static void end_silently(std::span<const StreamConnectionPtr> connections, const char* why);

  [[nodiscard]] StreamConnectionPtr find_live(const Connection& connection) const
      WG_REQUIRES(mutex_);
  /// Nobody dials there any more; returns the connection, if there is one.
  [[nodiscard]] StreamConnectionPtr erase_dialler(const Endpoint& to) WG_REQUIRES(mutex_);
  /// Dials; the caller starts what is returned, if anything.
  [[nodiscard]] StreamConnectionPtr dial(const DiallerPtr& dialler) WG_REQUIRES(mutex_);
  /// After a failure: no attempt until the pause is over.
  void pause(const DiallerPtr& dialler, const std::string& why) WG_REQUIRES(mutex_);

  void pause_over(const DiallerPtr& dialler);
  /// Of two live connections to one peer: the one that both sides choose.
  [[nodiscard]] static bool ours_stays(const StreamConnection& ours, std::uint16_t port);
  /// A peer that is reached on `used` (null: on none) has spoken on `spoken_on`: whether it is to
  /// be reached on the former still.
  [[nodiscard]] static bool stays(const StreamConnectionPtr& used,
                                  const StreamConnectionPtr& spoken_on, std::uint16_t port);

  static void go_on_reading(Shard& shard, const StreamConnectionPtr& connection);
  /// Frames of the current connection to trains. When nothing whole is left, the next connection's
  /// turn has come.
  [[nodiscard]] Received hand_out(Shard& shard, std::span<ReceivedTrain> trains);

  const StreamNetwork network_;
  std::vector<Shard> shards_;
  std::shared_ptr<spdlog::logger> log_;
  std::atomic<std::uint64_t> lost_later_{0};
  AcceptFailures accept_failures_;  // shard 0's

  mutable Mutex mutex_;
  bool open_ WG_GUARDED_BY(mutex_) = false;
  std::uint16_t port_ WG_GUARDED_BY(mutex_) = 0;
  std::uint32_t mark_ WG_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_number_ WG_GUARDED_BY(mutex_) = 1;
  std::minstd_rand jitter_ WG_GUARDED_BY(mutex_){std::random_device{}()};
  std::vector<std::shared_ptr<Listener>> listeners_ WG_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, StreamConnectionPtr> connections_ WG_GUARDED_BY(mutex_);
  std::unordered_map<Endpoint, DiallerPtr, EndpointHash> diallers_ WG_GUARDED_BY(mutex_);
  Unauthenticated unauthenticated_ WG_GUARDED_BY(mutex_);
  PeerConnections peers_ WG_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point drops_told_ WG_GUARDED_BY(mutex_){};
  std::chrono::steady_clock::time_point unauthenticated_since_ WG_GUARDED_BY(mutex_){};
  unsigned unauthenticated_told_ WG_GUARDED_BY(mutex_) = 0;  // lines since then
};

}  // namespace wg::conn
