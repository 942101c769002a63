// One stream to a peer, or to a stranger who may become one.
//
// Sending: any thread. What the socket does not take at once waits in a bounded queue; nobody
// blocks, so a stalled peer does not slow another one. Reading: the shard that the connection
// belongs to. Ending: any thread; the socket is closed at once.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "conn/bind.hpp"
#include "conn/send_queue.hpp"
#include "errors/descriptor.hpp"

namespace wg::conn {

class StreamConnection;
using StreamConnectionPtr = std::shared_ptr<StreamConnection>;

class StreamConnection : public std::enable_shared_from_this<StreamConnection> {
 public:
  /// Who keeps the connections. Called on the connection's executor, `ended` on any thread.
  class Keeper {
   public:
    virtual ~Keeper() = default;
    virtual void connected(const StreamConnectionPtr& connection) = 0;
    virtual void readable(const StreamConnectionPtr& connection) = 0;
    /// Frames that waited too long.
    virtual void dropped(const StreamConnectionPtr& connection, std::size_t frames) = 0;
    /// Once for each connection that was started. Not called with a lock of the connection held.
    virtual void ended(const StreamConnectionPtr& connection, const std::string& why) = 0;
  };
  enum class Phase : std::uint8_t { Connecting, Open, Ended };

  /// `remote` carries the connection's number. The keeper outlives what runs on `executor`.
  StreamConnection(Keeper& keeper, boost::asio::io_context& executor, std::size_t shard,
                   Descriptor fd, const Endpoint& remote, Phase phase);

  /// Begins to wait for the connection, or for bytes.
  void start();
  /// Any thread.
  void end(const std::string& why);
  /// Ends it for `why` after that time, unless `unless(connection)` says no then.
  void end_after(std::chrono::seconds time, const char* why,
                 std::function<bool(StreamConnection&)> unless);

  SendOutcome send(std::span<const OutgoingTrain> trains) noexcept;
  /// Takes over frames that waited for a connection. Before `start`.
  void adopt(SendQueue queue) noexcept { queue_ = std::move(queue); }
  /// Gives back what has not been sent. After `ended`.
  [[nodiscard]] SendQueue take_queue() noexcept;
  [[nodiscard]] Result<void> set_mark(std::uint32_t mark) noexcept;

  // ---- The shard's.

  /// Reads behind what was carried over, which it puts first; returns how many bytes there are,
  /// with `full` if there may be more at once. 0: nothing, and it ended if there is nothing to
  /// come.
  [[nodiscard]] std::size_t read(std::span<std::byte> room, bool& full);
  /// The beginning of a frame, for the next `read`.
  void carry_over(std::span<const std::byte> bytes);
  void wait_readable();

  // ---- Any thread.

  [[nodiscard]] const Endpoint& remote() const noexcept { return remote_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return remote_.connection().number; }
  [[nodiscard]] bool accepted() const noexcept { return remote_.connection().accepted; }
  [[nodiscard]] std::size_t shard() const noexcept { return shard_; }
  [[nodiscard]] bool over() const noexcept { return phase_ == Phase::Ended; }
  /// Our own end's address; unknown if it has ended.
  [[nodiscard]] Endpoint local() const noexcept;
  [[nodiscard]] bool heard_within(std::chrono::seconds time) const noexcept;
  [[nodiscard]] bool quiet_for(std::chrono::seconds time) const noexcept;

  /// Who speaks on it; from now on it is no stranger.
  void belongs_to(std::weak_ptr<Correspondent> correspondent) noexcept;
  [[nodiscard]] bool authenticated() const noexcept { return authenticated_; }
  [[nodiscard]] std::shared_ptr<Correspondent> correspondent() const noexcept;

 private:
  void wait_connected();
  void wait_writable();
  void write_waiting();
  void queue_all(Datagrams& datagrams, SendOutcome& outcome);
  /// Writes frames until the socket takes no more; the rest is queued. An errno, or 0.
  [[nodiscard]] int write_now(Datagrams& datagrams, SendOutcome& outcome);

  Keeper& keeper_;
  boost::asio::io_context& executor_;
  const std::size_t shard_;
  const Endpoint remote_;
  std::atomic<Phase> phase_;
  std::atomic<SendQueue::Clock::rep> heard_;
  std::atomic<SendQueue::Clock::rep> spoken_{0};
  std::atomic<bool> authenticated_{false};
  boost::asio::steady_timer timer_;

  std::vector<std::byte> carried_;  // the shard's

  // Closing takes both locks, so that neither a read nor a write meets another socket of the same
  // number.
  mutable std::mutex reading_;
  mutable std::mutex writing_;
  boost::asio::posix::stream_descriptor descriptor_;
  SendQueue queue_;                             // under writing_
  bool waits_writable_ = false;                 // under writing_
  std::weak_ptr<Correspondent> correspondent_;  // under writing_
};

}  // namespace wg::conn
