// One stream to a peer, or to somebody who may become one.
//
//   phase      | event                           | next       | what happens
//   -----------+---------------------------------+------------+---------------------------------
//   Connecting | `send`                          | Connecting | the messages wait
//   Connecting | the socket is connected         | Open       | `connected`; what waits goes out
//   Connecting | it cannot be                    | Ended      | `ended`
//   Open       | `send`                          | Open       | written, or waits
//   Open       | bytes come                      | Open       | `readable`
//   Open       | the other side closes, or breaks| Ended      | `ended`
//   not Ended  | `end`                           | Ended      | `ended`
//   Ended      | `send`                          | Ended      | refused: ENOTCONN
//   Ended      | anything else                   | Ended      | nothing
//
// What the socket does not take at once waits in a bounded queue; nobody blocks, so a stalled peer
// does not slow another one. When it ends, the socket is closed at once.
//
// Runs on: the shard that the connection belongs to: reading, and writing what has waited. Any
// thread: everything else.
// Guarded by: `reading_` or `writing_`, the socket, whose closing takes both; `writing_`, the queue
// and the peer.
// Lives: as long as its bind knows it, or somebody is at it; what it waits for does not hold it.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iosfwd>
#include <memory>
#include <string>

#include "conn/bind.hpp"
#include "conn/partial_frame.hpp"
#include "conn/send_queue.hpp"
#include "errors/descriptor.hpp"
#include "threads/mutex.hpp"

namespace wg::conn {

class StreamConnection;
using StreamConnectionPtr = std::shared_ptr<StreamConnection>;

class StreamConnection : public std::enable_shared_from_this<StreamConnection> {
 public:
  /// Called on the connection's executor, `dropped` and `ended` on any thread; never with a lock of
  /// the connection held.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void connected(const StreamConnectionPtr& connection) = 0;
    virtual void readable(const StreamConnectionPtr& connection) = 0;
    /// Frames that it had taken and that were dropped before they were written: too old, too many.
    virtual void dropped(const StreamConnectionPtr& connection, std::size_t frames) = 0;
    /// Once for each connection.
    virtual void ended(const StreamConnectionPtr& connection, const std::string& why) = 0;
  };
  enum class Phase : std::uint8_t { Connecting, Open, Ended };

  /// `remote` carries the connection's number; `queue` is what has waited for it. The owner
  /// outlives what runs on `executor`.
  StreamConnection(Owner& owner, boost::asio::io_context& executor, std::size_t shard,
                   Descriptor fd, const Endpoint& remote, Phase phase, SendQueue queue = {});

  /// Begins to wait for the connection, or for bytes.
  void start();
  void end(const std::string& why);
  /// Ends it for `why` after that time if its peer is not known by then.
  void end_unless_authenticated(std::chrono::milliseconds time, const char* why);
  /// Ends it for `why` as soon as nothing has come or gone on it for that time. Either of the two
  /// takes the place of the other.
  void end_when_quiet(std::chrono::milliseconds time, const char* why);

  SendOutcome send(std::span<const OutgoingTrain> trains) noexcept;
  /// Gives up what has not been written. After `ended`.
  [[nodiscard]] SendQueue take_queue() noexcept;
  [[nodiscard]] Result<void> set_mark(std::uint32_t mark) noexcept;

  // ---- The shard's.

  /// Reads into `room`, more than kFrameMax bytes. Returns where in it the bytes lie, which begin
  /// with a frame; `full` if there may be more at once. None: no frame to look at has come, and it
  /// has ended if nothing more can.
  [[nodiscard]] std::span<std::byte> read(std::span<std::byte> room, bool& full);
  /// The beginning of a frame, for the next `read`.
  void keep(std::span<const std::byte> bytes) { partial_.begin(bytes); }
  /// Bytes of memory that the beginning of a frame occupies.
  [[nodiscard]] std::size_t occupied() const noexcept { return partial_.memory(); }
  void wait_readable();

  // ---- Any thread.

  [[nodiscard]] const Endpoint& remote() const noexcept { return remote_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return remote_.connection().number; }
  [[nodiscard]] bool accepted() const noexcept { return remote_.connection().accepted; }
  [[nodiscard]] std::size_t shard() const noexcept { return shard_; }
  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  [[nodiscard]] bool over() const noexcept { return phase_ == Phase::Ended; }
  /// It is open, or was until it ended.
  [[nodiscard]] bool was_open() const noexcept { return was_open_; }
  /// Our own end's address; unknown if it has ended.
  [[nodiscard]] Endpoint local() const noexcept;
  /// When something has come last, or it began; to compare.
  [[nodiscard]] SendQueue::Clock::rep heard() const noexcept { return heard_; }
  [[nodiscard]] bool heard_within(std::chrono::seconds time) const noexcept;
  /// Since nothing has come or gone on it.
  [[nodiscard]] std::chrono::milliseconds quiet() const noexcept;

  /// An authentic message of that peer came on it. False if it has ended: nobody tells the peer.
  [[nodiscard]] bool set_peer(std::weak_ptr<ConnectionListener> peer) noexcept;
  /// Nobody is to be told of its end.
  void clear_peer() noexcept;
  [[nodiscard]] std::shared_ptr<ConnectionListener> peer() const noexcept;
  [[nodiscard]] bool authenticated() const noexcept { return authenticated_; }

 private:
  void wait_connected();
  void wait_writable();
  /// The system has no memory for it: looks again after a pause.
  void write_later();
  /// Ends it for `why` when `left()` is nothing, and looks again after it until then. `left`: the
  /// time that remains; none: never.
  template <class Left>
  void look_after(std::chrono::milliseconds time, const char* why, Left left);
  void write_waiting();
  /// Writes frames until the socket takes no more, and queues those that it had begun with. An
  /// errno, or 0. `dropped`: frames that gave way in the queue.
  [[nodiscard]] int write_now(Datagrams& datagrams, SendOutcome& outcome, std::size_t& dropped)
      WG_REQUIRES(writing_);

  Owner& owner_;
  boost::asio::io_context& executor_;
  const std::size_t shard_;
  const Endpoint remote_;
  std::atomic<Phase> phase_;
  std::atomic<SendQueue::Clock::rep> heard_;
  std::atomic<SendQueue::Clock::rep> spoken_{0};
  std::atomic<bool> authenticated_{false};
  std::atomic<bool> was_open_;
  boost::asio::steady_timer timer_;

  PartialFrame partial_;  // the shard's

  // Closing takes both locks, so that neither a read nor a write meets another socket of the same
  // number.
  mutable Mutex reading_;
  mutable Mutex writing_;
  boost::asio::posix::stream_descriptor descriptor_;
  SendQueue queue_ WG_GUARDED_BY(writing_);
  bool waits_writable_ WG_GUARDED_BY(writing_) = false;
  std::weak_ptr<ConnectionListener> peer_ WG_GUARDED_BY(writing_);
};

std::ostream& operator<<(std::ostream& out, StreamConnection::Phase phase);

}  // namespace wg::conn
