// The way in: trains of datagrams from the bind are opened, checked and joined to super-packets
// again. One straight line:
//
//   receive       a train: its messages, run by run of one receiver index and one source
//   finish_run    the run: its keypair (one look-up), opened in place, replay window
//   deliver       each packet: whose source address is it, ECN, into the joiner
//   flush         what the joiner still holds goes to the inner end
//
// Handshake messages leave the line for the control pool (handshakes.hpp).
//
// One for each shard, used by that shard alone, inside its pass. No allocation.
#pragma once

#include <array>

#include "device/context.hpp"
#include "device/handshakes.hpp"
#include "tun/joiner.hpp"

namespace wg::device {

class Inbound final : private tun::Joiner::Sink {
 public:
  Inbound(Context& context, Handshakes& handshakes, std::size_t shard);

  /// The train and its bytes, which are opened in place, must stay until `flush`.
  void receive(const conn::ReceivedTrain& train);
  void flush();

 private:
  static constexpr std::size_t kRunPackets = 64;

  void finish_run();
  void deliver(Peer& peer, std::span<std::byte> plain);
  void write(std::span<const iovec> pieces, const tun::Offload& offload,
             std::size_t packets) noexcept override;

  Context& context_;
  Handshakes& handshakes_;
  std::size_t shard_;
  tun::Joiner joiner_;
  protocol::Instant now_{};  // of the batch
  bool batch_begun_ = false;

  /// Transport data messages of one receiver index and one source, of one train or several.
  struct {
    protocol::ReceiverIndex receiver{};
    const conn::ReceivedTrain* train = nullptr;  // the first
    std::size_t count = 0;
    std::array<crypto::OpenPacket, kRunPackets> packets;
  } run_;
};

}  // namespace wg::device
