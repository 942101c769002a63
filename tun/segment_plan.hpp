// How a super-packet becomes inner packets that fit the MTU: the plan, and the writing of each
// segment.
//
// The plan is made without touching the payload. `write` then puts one segment where it is to be
// sealed: headers rewritten, payload copied and summed in the same pass, checksum completed. That
// copy is the only one on the way out, and the sealing works in place on it: the payload must be
// read for its checksum anyway (docs/decisions/0003).
//
// Per segment: IPv4 total length, ID (counting up) and header checksum; IPv6 payload length; UDP
// length; TCP sequence number; FIN and PSH on the last segment only, CWR on the first. IP options
// and IPv6 extension headers are repeated on each, and the transport header is where their chain
// ends.
//
// The checksum covers a pseudo-header with the addresses at the ends of the way, and those are not
// always the header's: on a source route the header names the next hop, and a mobile node's home
// address is in an option. So wherever more than the plain IP header precedes the transport, the
// addresses are taken as summed from the packet's open checksum: the kernel left the pseudo-header
// of the whole super-packet there, and only the length in it changes. That needs to know no format
// of a routing header, and a host that leaves a wrong sum spoils only its own packets. With a plain
// header they are summed anew.
#pragma once

#include <optional>

#include "tun/inner_packet.hpp"
#include "tun/tun.hpp"

namespace wg::tun {

class SegmentPlan {
 public:
  /// None if the packet is no IP packet, or its offload does not fit it. Borrows its pieces.
  [[nodiscard]] static std::optional<SegmentPlan> make(const SuperPacket& packet) noexcept;

  [[nodiscard]] const InnerPacket& packet() const noexcept { return packet_; }
  /// 1 at least.
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// Bytes of segment `i`'s inner packet.
  [[nodiscard]] std::size_t size(std::size_t i) const noexcept;
  /// Writes segment `i`'s inner packet, `size(i)` bytes, with complete checksums. Any order, any
  /// number of times.
  void write(std::size_t i, std::byte* target) const noexcept;

 private:
  SegmentPlan(InnerPacket packet, const SuperPacket& super) noexcept
      : packet_(packet), more_(super.more), offload_(super.offload) {}

  /// Bytes of the packet, from whichever pieces they lie in.
  void copy(std::size_t begin, std::size_t size, std::byte* target) const noexcept;

  void complete_checksum(std::byte* target) const noexcept;
  void write_cut(std::size_t i, std::byte* target) const noexcept;
  void rewrite_network_header(std::size_t i, std::byte* target) const noexcept;
  void rewrite_transport_header(std::size_t i, std::byte* target) const noexcept;

  InnerPacket packet_;           // its beginning…
  std::span<const iovec> more_;  // …and where the rest of it lies
  Offload offload_;
  std::size_t count_ = 1;
  // Where the transport header begins, and the sum of its pseudo-header without the length; of
  // packets that are cut.
  std::size_t transport_ = 0;
  std::uint64_t pseudo_header_base_ = 0;
};

}  // namespace wg::tun
