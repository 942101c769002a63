// The way out: super-packets from the inner end become trains of datagrams, sealed and sent. One
// straight line:
//
//   add    a super-packet: its plan, its peer (one look-up), its segments, each where it is sealed
//   flush  the batch: a keypair and counters for all of it, headers, seal, send as trains
//
// A batch holds packets of one peer, from as many super-packets as fit: small packets that queue up
// share the sealing and the system call. A packet without a session is staged, and a handshake
// begins.
//
// Runs on: its shard alone, inside its pass. No allocation but for staging.
// Lives: in its shard.
#pragma once

#include <array>
#include <memory>

#include "device/context.hpp"
#include "tun/segment_plan.hpp"

namespace wg::device {

class Outbound {
 public:
  Outbound(Context& context, std::size_t shard);

  /// Takes a super-packet's contents; its bytes may be reused afterwards.
  void add(const Tables& tables, const tun::SuperPacket& packet);
  /// Sends an inner packet that was staged.
  void add_staged(const Tables& tables, Peer& peer, std::span<const std::byte> inner_packet);
  /// Seals and sends what `add` has gathered. Before the pass ends: the batch knows its peer.
  void flush(const Tables& tables);

 private:
  static constexpr std::size_t kBatchPackets = 128;
  static constexpr std::size_t kBatchBytes = 256 * 1024;

  /// A datagram in the making: where it stands in `wire_`, and what the trains are cut by.
  struct Datagram {
    std::size_t offset;
    std::size_t padded;  // the plaintext's size
    std::size_t inner;   // the inner packet's, without padding
    std::uint8_t ecn;
  };

  /// Room for an inner packet of `size` bytes in the batch of `peer`; flushes what is in the way.
  std::byte* append(const Tables& tables, Peer& peer, std::size_t size, std::uint8_t ecn);
  void clear();
  void flush_behind_staged(const Tables& tables);
  [[nodiscard]] std::span<const std::byte> inner_packet(const Datagram& datagram) const;
  void drop_own(Peer& peer, std::size_t packets);
  void stage_all();
  void seal_all(const protocol::KeypairPtr& keypair, std::uint64_t first_counter);
  void send_all(const Tables& tables);

  Context& context_;
  std::size_t shard_;
  std::size_t mtu_;       // read once a batch
  Peer* peer_ = nullptr;  // whom the batch goes to
  std::size_t count_ = 0;
  std::size_t used_ = 0;  // bytes of wire_
  std::array<Datagram, kBatchPackets> datagrams_;
  std::unique_ptr<std::byte[]> wire_;
  protocol::Instant failure_told_{};  // when the log last heard that sending failed
  protocol::Instant loop_told_{};     // … and of a routing loop
};

}  // namespace wg::device
