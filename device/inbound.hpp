// The way in: trains of datagrams from the bind are opened, checked and joined to super-packets
// again. One straight line:
//
//   receive       trains: their messages, run by run of one receiver index and one source
//   finish_run    the run: its keypair (one look-up), opened in place, replay window
//   deliver       each packet: whose source address is it, ECN, into the joiner
//   flush         what the joiner still holds goes to the inner end
//
// With a helper (hand_over.hpp) packets gather in a batch instead, and the helper does the rest:
//
//   write_batch   the batch's packets through the joiner to the inner end
//
// Handshake messages leave the line for the control pool (handshakes.hpp).
//
// One for each shard, used by that shard alone, inside its pass; but for `write_batch`. No
// allocation.
#pragma once

#include <array>

#include "device/context.hpp"
#include "device/hand_over.hpp"
#include "device/handshakes.hpp"
#include "tun/joiner.hpp"

namespace wg::device {

class Inbound final : private tun::Joiner::Sink {
 public:
  /// `resume` is called on `executor`, the shard's own, when `room` may be asked again.
  Inbound(Context& context, Handshakes& handshakes, std::size_t shard,
          boost::asio::io_context& executor, std::function<void()> resume);

  /// Where the next batch is to be received, which `helper` (null: nobody) will write; empty: all
  /// room is on its way already.
  [[nodiscard]] std::span<std::byte> room(boost::asio::io_context* helper);
  /// Trains of the batch, which lie in its room and are opened there. Returns their bytes.
  std::size_t receive(std::span<const conn::ReceivedTrain> trains, protocol::Instant now);
  /// The batch is whole.
  void flush();

 private:
  static constexpr std::size_t kRunPackets = 64;

  /// Packets in the room where they were received; none if they are written along the way.
  struct Batch {
    std::unique_ptr<std::byte[]> room;
    std::vector<tun::InnerPacket> packets;
  };

  void receive_train(const conn::ReceivedTrain& train);
  void finish_run();
  void deliver(Peer& peer, std::span<std::byte> plain);
  void write_batch(Batch& batch) noexcept;
  void write(std::span<const iovec> pieces, const tun::Offload& offload,
             std::size_t packets) noexcept override;

  Context& context_;
  Handshakes& handshakes_;
  std::size_t shard_;
  std::array<Batch, HandOver::kSlots> batches_;
  Batch* batch_ = nullptr;                     // the one that is being received
  bool alone_ = false;                         // its packets are written along the way
  boost::asio::io_context* helper_ = nullptr;  // else by whom
  protocol::Instant now_{};                    // of the batch
  HandOver writing_;
  tun::Joiner joiner_;  // of whoever writes

  /// Transport data messages of one receiver index and one source, of one train or several.
  struct {
    protocol::ReceiverIndex receiver{};
    const conn::ReceivedTrain* train = nullptr;  // the first
    std::size_t count = 0;
    std::array<crypto::OpenPacket, kRunPackets> packets;
  } run_;
};

}  // namespace wg::device
