// The last step of the way in: packets that were opened and checked are joined and written to the
// inner end.
//
//   room    where the next batch is to be received: the packets lie in it until they are written
//   add     a packet of the batch
//   flush   the batch is whole
//
// Either the shard does it all itself: each packet goes through the joiner as it is added. Or
// another shard does it, while this one goes on with the next batch: then `add` gathers the batch's
// packets, and `flush` passes the batch on (pipeline.hpp), which takes an inner end that any thread
// may write to. Which of the two, is decided when the room is asked for (pipeline_trial.hpp).
//
// A kernel that refuses what the joiner has joined (some did, with EINVAL, for one family or kind)
// gets those packets one by one; and when it has never taken any of that kind, no more are joined.
//
// Runs on: its shard alone, inside its pass: `room`, `add`, `flush`. Whichever shard does the last
// step of a batch, one at a time: the writing, which needs no pass. No allocation, but for room to
// cut what is refused, once.
// Lives: in its shard.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "device/context.hpp"
#include "device/pipeline.hpp"
#include "device/pipeline_trial.hpp"
#include "device/shard_threads.hpp"
#include "tun/joiner.hpp"

namespace wg::device {

class InnerWriter final : private tun::Joiner::Sink {
 public:
  /// Refusals of joined packets of a kind, none of which was ever taken, before no more are joined.
  static constexpr unsigned kRefusalsMax = 8;

  /// `resume` is called on the shard's executor when `room` may be asked again.
  InnerWriter(Context& context, const ShardThreads& threads, std::size_t shard, PipelineMode mode,
              std::function<void()> resume);

  /// Where the next batch is to be received; empty: all room is on its way already.
  [[nodiscard]] std::span<std::byte> room();
  /// `packet` lies in the room.
  void add(const tun::InnerPacket& packet);
  /// The batch is whole: `bytes` of messages, received at `now`.
  void flush(std::size_t bytes, protocol::Instant now);

 private:
  /// Packets and bytes that one write to the inner end takes: enough for a doorbell to be worth it,
  /// few enough not to overrun whoever reads them.
  static constexpr std::size_t kWritePackets = 64;
  static constexpr std::size_t kWriteBytes = 64 * 1024;
  static constexpr std::size_t kWritePieces = 256;

  /// Packets in the room where they were received; none if they are written along the way.
  struct Batch {
    std::unique_ptr<std::byte[]> room;
    std::vector<tun::InnerPacket> packets;
  };
  /// What is known of joined packets of one kind and family.
  struct Kind {
    bool taken = false;
    unsigned refused = 0;
  };

  void write_batch(Batch& batch) noexcept;
  void write(std::span<const iovec> pieces, const tun::Offload& offload,
             std::size_t packets) noexcept override;
  void write_gathered() noexcept;
  void refused(const tun::Gathered& packet, int error) noexcept;
  void write_apart(const tun::Gathered& packet) noexcept;
  [[nodiscard]] Kind& kind_of(const tun::Gathered& packet) noexcept;

  Context& context_;
  const std::size_t shard_;
  std::array<Batch, Pipeline::kSlots> batches_;
  Batch* batch_ = nullptr;  // the one that is being received
  bool directly_ = true;    // its packets are written along the way
  Pipeline pipeline_;
  PipelineControl control_;

  // Of whoever does the last step:
  tun::Joiner joiner_;
  std::array<tun::Gathered, kWritePackets> gathered_;
  std::size_t gathered_count_ = 0;
  std::size_t gathered_bytes_ = 0;
  std::array<iovec, kWritePieces> pieces_;
  std::size_t pieces_count_ = 0;
  std::array<Kind, 4> kinds_;                // TCP and UDP, over IPv4 and IPv6
  std::unique_ptr<std::byte[]> apart_room_;  // made when the first joined packet is refused
};

}  // namespace wg::device
