// The way in: trains of datagrams from the bind are opened and checked, and go to the inner end.
// One straight line:
//
//   receive      trains: their messages, run by run of one receiver index and one source
//   finish_run   the run: its keypair (one look-up), opened in place, replay window
//   deliver      each packet: whose source address is it, ECN; then it is the writer's
//
// Who writes, and when, is the inner writer's (inner_writer.hpp), into whose room the trains are
// received. Handshake messages leave the line for the control pool (handshakes.hpp).
//
// Runs on: its shard alone, inside its pass. No allocation.
// Lives: in its shard.
#pragma once

#include <array>

#include "device/context.hpp"
#include "device/handshakes.hpp"
#include "device/inner_writer.hpp"

namespace wg::device {

class Inbound {
 public:
  Inbound(Context& context, Handshakes& handshakes, InnerWriter& writer, std::size_t shard) noexcept
      : context_(context), handshakes_(handshakes), writer_(writer), shard_(shard) {}

  /// Trains that lie in the writer's room, where they are opened. Returns their bytes.
  std::size_t receive(const Tables& tables, std::span<const conn::ReceivedTrain> trains,
                      protocol::Instant now);

 private:
  static constexpr std::size_t kRunPackets = 64;

  void receive_train(const Tables& tables, const conn::ReceivedTrain& train);
  void take(const Tables& tables, const conn::ReceivedTrain& train,
            const protocol::TransportData& data);
  void finish_run(const Tables& tables);
  void deliver(const Tables& tables, Peer& peer, std::span<std::byte> plain);

  Context& context_;
  Handshakes& handshakes_;
  InnerWriter& writer_;
  const std::size_t shard_;
  protocol::Instant now_{};  // of the batch

  /// Transport data messages of one receiver index and one source, of one train or several.
  struct {
    protocol::ReceiverIndex receiver{};
    const conn::ReceivedTrain* train = nullptr;  // the first
    std::size_t count = 0;
    std::array<crypto::OpenPacket, kRunPackets> packets;
  } run_;
};

}  // namespace wg::device
