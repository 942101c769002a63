// Neighbours of one TCP or UDP flow become one super-packet again, so that the kernel is entered
// once for many packets.
//
// What may be joined (as the kernel's GRO): same addresses, ports, TTL, TOS and options; TCP:
// consecutive sequence numbers, same acknowledgement and window, no flags but ACK (and PSH on the
// last); equal payload sizes, the last perhaps shorter; IPv4 IDs consecutive unless DF is set;
// checksums correct. Everything else is written alone, and in order: a packet that does not fit its
// flow's open join is written after it. So is one that does not tell its flow (a fragment, another
// protocol, extension headers in front of its ports): it is written after all that is open between
// its addresses.
//
// A checksum is verified only when its packet is joined: the kernel would not look at it any more
// afterwards, whereas a packet that is written alone carries its own. Payloads are gathered from
// where they are, never copied.
//
// Runs on: whoever writes what a shard has opened, one at a time (device/inner_writer.hpp).
// Lives: one a shard. It borrows the packets' bytes until `flush`.
#pragma once

#include <array>

#include "tun/inner_packet.hpp"
#include "tun/tun.hpp"

namespace wg::tun {

class Joiner {
 public:
  /// Where packets go: called once for each packet or super-packet, `packets` being how many inner
  /// packets it holds.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void write(std::span<const iovec> pieces, const Offload& offload,
                       std::size_t packets) noexcept = 0;
  };

  Joiner(Sink& sink, bool join_tcp, bool join_udp) noexcept
      : sink_(sink), join_tcp_{join_tcp, join_tcp}, join_udp_{join_udp, join_udp} {}

  /// Takes a packet; what it lies in must stay until `flush`, and may be changed.
  void add(const InnerPacket& packet) noexcept;
  /// Packets of TCP (else UDP) over IPv6 (else IPv4) are written one by one from now on.
  void stop_joining(bool tcp, bool v6) noexcept { (tcp ? join_tcp_ : join_udp_)[v6] = false; }
  /// Writes everything that is still open.
  void flush() noexcept;

 private:
  static constexpr std::size_t kFlowsMax = 8;  // open at once
  static constexpr std::size_t kSegmentsMax =
      64;  // of one super-packet; the kernel's bound for UDP

  /// What joining needs of a TCP or UDP packet.
  struct Candidate {
    InnerPacket packet;
    std::size_t header_size;  // IP and transport
    std::size_t payload;
    bool tcp;
    bool joinable;  // of a kind that can begin or continue a join

    [[nodiscard]] static std::optional<Candidate> of(const InnerPacket& packet) noexcept;
    [[nodiscard]] bool same_flow(const Candidate& other) const noexcept;
    [[nodiscard]] bool checksum_correct() const noexcept;
    [[nodiscard]] bool pushes() const noexcept;
    [[nodiscard]] std::byte* transport() const noexcept {
      return packet.bytes().data() + packet.header_size();
    }
  };

  /// Packets of one flow that will be written as one.
  struct Join {
    Candidate first;
    std::array<iovec, kSegmentsMax> pieces;
    std::size_t count;
    std::size_t bytes;  // of the super-packet so far
    bool first_verified;
    bool complete;  // a shorter payload or PSH was its last
  };

  [[nodiscard]] bool wanted(const Candidate& candidate) const noexcept {
    return candidate.joinable && (candidate.tcp ? join_tcp_ : join_udp_)[candidate.packet.v6()];
  }
  [[nodiscard]] static bool headers_continue(const Join& join, const Candidate& next) noexcept;
  [[nodiscard]] static bool append(Join& join, const Candidate& next) noexcept;
  void open(const Candidate& first) noexcept;
  void close(std::optional<Join>& join) noexcept;
  void close_between_addresses_of(const InnerPacket& packet) noexcept;
  void write(Join& join) noexcept;
  void write_alone(const InnerPacket& packet) noexcept;

  Sink& sink_;
  std::array<bool, 2> join_tcp_;  // over IPv4 and IPv6
  std::array<bool, 2> join_udp_;
  std::array<std::optional<Join>, kFlowsMax> joins_;
  std::size_t open_joins_ = 0;
  std::size_t next_victim_ = 0;
};

}  // namespace wg::tun
