// A shard: a thread with an io_context of its own, a TUN queue, a pair of sockets and the buffers
// for both ways.
//
// Both ways take turns: after a bounded number of batches the other one is let in, so that a flood
// on one side does not starve the other. What a shard opens, its inner writer writes, or lets
// another shard write.
//
// Runs on: its one thread (an implicit strand), batch by batch inside its pass through the gate, to
// completion: read, work, write. Any thread: what this header shows, which hands over to it.
// Lives: in the device, longer than its thread runs.
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>

#include "device/inbound.hpp"
#include "device/inner_writer.hpp"
#include "device/outbound.hpp"
#include "device/shard_threads.hpp"

namespace wg::device {

class Shard {
 public:
  Shard(Context& context, Handshakes& handshakes, const ShardThreads& threads, std::size_t index,
        PipelineMode pipeline);

  /// Begins to read the inner end, once.
  void start_tun();
  /// Begins to wait for the bind, each time it has been opened.
  void start_bind();
  /// Sends what is staged for the peer.
  void send_staged(const std::shared_ptr<Peer>& to);

 private:
  /// Batches of one way before the other is let in: milliseconds of work where a machine is slow.
  static constexpr int kBatchesPerTurn = 2;
  /// Bytes and packets of the inner end that make a batch: enough to fill a train, few enough to
  /// stay in the cache.
  static constexpr std::size_t kReadBatchBytes = 64 * 1024;
  static constexpr std::size_t kReadBatchPackets = 128;

  void wait_tun();
  void wait_bind(const Tables& tables);
  void tun_turn();
  void bind_turn();
  /// One batch; false if the end is dry.
  [[nodiscard]] bool read_batch(const Tables& tables);
  [[nodiscard]] bool receive_batch(const Tables& tables, std::span<std::byte> room);

  Context& context_;
  boost::asio::io_context& executor_;
  std::size_t index_;
  Outbound outbound_;
  InnerWriter writer_;
  Inbound inbound_;
  std::unique_ptr<std::byte[]> room_;
  std::array<tun::SuperPacket, kReadBatchPackets> read_;
};

}  // namespace wg::device
