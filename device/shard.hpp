// A shard: a thread with an io_context of its own, a TUN queue, a pair of sockets and the buffers
// for both ways.
//
// All that a shard does runs on its one thread (an implicit strand), batch by batch inside its pass
// through the gate, to completion: read, work, write. Both ways take turns: after a bounded number
// of batches the other one is let in, so that a flood on one side does not starve the other.
//
// A shard that cannot keep up lets another one do the last step of the way in (help.hpp).
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <ctime>
#include <thread>
#include <vector>

#include "device/help.hpp"
#include "device/inbound.hpp"
#include "device/outbound.hpp"

namespace wg::device {

/// The threads of the shards and their contexts. Made first: ends of the tunnel need the contexts,
/// shards need the ends.
class ShardThreads {
 public:
  explicit ShardThreads(std::size_t count);
  ~ShardThreads();
  ShardThreads(const ShardThreads&) = delete;
  ShardThreads& operator=(const ShardThreads&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return contexts_.size(); }
  [[nodiscard]] std::vector<boost::asio::io_context*> contexts() const;
  [[nodiscard]] boost::asio::io_context& context(std::size_t shard) const noexcept {
    return contexts_[shard]->context;
  }
  /// What the thread has used of a core since it began; it must have been started.
  [[nodiscard]] std::chrono::nanoseconds cpu_time(std::size_t shard) const noexcept;
  void start();
  /// Ends the threads; nothing runs on the contexts any more.
  void stop();

 private:
  struct Running {
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
        context.get_executor()};
    std::thread thread;
    clockid_t cpu_clock{};  // the thread's; outlives it
  };
  std::vector<std::unique_ptr<Running>> contexts_;
};

class Shard {
 public:
  Shard(Context& context, Handshakes& handshakes, const ShardThreads& threads, std::size_t index,
        HelpMode help);

  /// Any thread: begins to read the inner end, once.
  void start_tun();
  /// Any thread: begins to wait for the bind, each time it has been opened.
  void start_bind();
  /// Any thread: sends what is staged for the peer.
  void send_staged(const std::shared_ptr<Peer>& to);

 private:
  /// Batches of one way before the other is let in: milliseconds of work where a machine is slow.
  static constexpr int kBatchesPerTurn = 2;
  /// Bytes and packets of the inner end that make a batch: enough to fill a train, few enough to
  /// stay in the cache.
  static constexpr std::size_t kReadBatchBytes = 64 * 1024;
  static constexpr std::size_t kReadBatchPackets = 128;

  void wait_tun();
  void wait_bind();
  void tun_turn();
  void bind_turn();
  /// One batch; false if the end is dry.
  [[nodiscard]] bool read_batch();
  [[nodiscard]] bool receive_batch(std::span<std::byte> room);

  Context& context_;
  boost::asio::io_context& executor_;
  std::size_t index_;
  Outbound outbound_;
  Inbound inbound_;
  Help help_;
  std::unique_ptr<std::byte[]> room_;
};

}  // namespace wg::device
