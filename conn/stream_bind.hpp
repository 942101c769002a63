// WireGuard over streams: TCP or vsock, on the wire of wireguard-go-vsock (conn/frame.hpp).
//
// Who is reached how:
//   - an endpoint that carries a connection's number is reached on that connection, while it lives;
//   - one that was set by the user is dialled when something is to be sent, again and again with
//     growing pauses while anything waits;
//   - one that was accepted and whose connection is gone is out of reach: its port was ephemeral.
//
// A connection that was accepted is a stranger's until an authentic message comes on it. Strangers
// are few and short-lived: the oldest gives way.
//
// Threads: `receive` and what leads to it belong to each connection's shard; the tables have a
// lock, taken once a batch. No lock of the tables is held while a connection is called.
#pragma once

#include <spdlog/logger.h>

#include <deque>
#include <list>
#include <random>
#include <unordered_map>

#include "conn/stream_connection.hpp"
#include "conn/stream_socket.hpp"

namespace wg::conn {

class StreamBind final : public Bind, private StreamConnection::Keeper {
 public:
  /// Connections that have not said anything authentic, of one source and in all; and for how long.
  static constexpr std::size_t kStrangersOfOneSourceMax = 64;
  static constexpr std::size_t kStrangersMax = 1024;
  static constexpr auto kStrangerTime = std::chrono::seconds(10);
  /// Pauses between attempts to dial.
  static constexpr auto kBackOffMin = std::chrono::milliseconds(500);
  static constexpr auto kBackOffMax = std::chrono::seconds(30);

  /// One context for each shard; they outlive the bind.
  StreamBind(StreamNetwork network, std::vector<boost::asio::io_context*> shards,
             std::shared_ptr<spdlog::logger> log);
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
  [[nodiscard]] Endpoint settle(const Endpoint& current, const Endpoint& from,
                                std::weak_ptr<Correspondent> sender) noexcept override;
  [[nodiscard]] bool connected(const Endpoint& endpoint) const noexcept override;
  /// What was dialled is dialled again; what was accepted cannot be, so its peer is called where it
  /// was configured, if it was.
  [[nodiscard]] Endpoint after_loss(const Endpoint& current,
                                    const Endpoint& configured) const noexcept override;
  void release(const Endpoint& endpoint) noexcept override;
  [[nodiscard]] std::expected<Endpoint, std::string> parse_endpoint(
      std::string_view text) const override {
    return conn::parse_endpoint(network_, text);
  }

  /// Connections that live, strangers' included.
  [[nodiscard]] std::size_t connections() const;

 private:
  static constexpr std::size_t kReadBytesMax = 256 * 1024;

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
      const std::lock_guard lock(mutex);
      boost::system::error_code ignored;
      descriptor.close(ignored);
    }
    std::mutex mutex;
    boost::asio::posix::stream_descriptor descriptor;
  };
  /// An endpoint that we dial. Under `mutex_`, but for the timer, which is shard 0's.
  struct Dialler {
    Dialler(boost::asio::io_context& context, const Endpoint& endpoint)
        : to(endpoint), timer(context) {}
    const Endpoint to;
    boost::asio::steady_timer timer;
    StreamConnectionPtr connection;  // connecting or open
    SendQueue pending;               // while there is none
    unsigned failures = 0;
    bool pausing = false;
  };
  using DiallerPtr = std::shared_ptr<Dialler>;

  void connected(const StreamConnectionPtr& connection) override;
  void readable(const StreamConnectionPtr& connection) override;
  void dropped(const StreamConnectionPtr& connection, std::size_t frames) override;
  void ended(const StreamConnectionPtr& connection, const std::string& why) override;

  void wait_for_strangers(const std::shared_ptr<Listener>& listener);
  void accept_all(const std::shared_ptr<Listener>& listener);
  void take_in(Accepted accepted);
  [[nodiscard]] StreamConnectionPtr make(Descriptor fd, const Endpoint& remote, bool accepted);
  [[nodiscard]] std::vector<StreamConnectionPtr> make_room_for(const Endpoint& stranger);

  /// The live connection for `to`; under `mutex_`.
  [[nodiscard]] StreamConnectionPtr find(const Endpoint& to) const;
  /// Begins an attempt; under `mutex_`. The caller starts what is returned, if anything.
  [[nodiscard]] StreamConnectionPtr dial(const DiallerPtr& dialler);
  void pause(const DiallerPtr& dialler, const std::string& why);
  void pause_over(const DiallerPtr& dialler);
  /// Of two live connections to one peer: the one that both sides choose.
  [[nodiscard]] bool ours_stays(const StreamConnection& ours) const;

  /// Frames of the current connection to trains. When nothing whole is left, the next connection's
  /// turn has come.
  [[nodiscard]] static Received hand_out(Shard& shard, std::span<ReceivedTrain> trains);

  const StreamNetwork network_;
  std::vector<Shard> shards_;
  std::shared_ptr<spdlog::logger> log_;

  mutable std::mutex mutex_;  // guards all below
  bool open_ = false;
  std::uint16_t port_ = 0;
  std::uint32_t mark_ = 0;
  std::uint64_t next_number_ = 1;
  std::minstd_rand jitter_{std::random_device{}()};
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::unordered_map<std::uint64_t, StreamConnectionPtr> connections_;  // by number
  std::unordered_map<Endpoint, DiallerPtr, EndpointHash> diallers_;
  std::list<StreamConnectionPtr> strangers_;  // the oldest first
  std::chrono::steady_clock::time_point drops_told_{};
};

}  // namespace wg::conn
