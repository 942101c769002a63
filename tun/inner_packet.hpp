// An inner packet's headers, checked once: past `parse` nobody looks at lengths again.
//
// Accepts what a router would: version, header length and total length must fit the bytes. Bytes
// behind the total length (WireGuard's padding) are cut off. Upper-layer headers are looked at only
// when asked for.
//
// What follows IPv6's header is a chain: extension headers that each name the next, and at its end
// the transport (RFC 8200). `protocol` is only the first name; `transport` walks to the end.
// Authentication and encryption headers end the walk: what they protect is nobody's to look into or
// to change.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace wg::tun {

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::size_t kIpv4HeaderBytes = 20;
inline constexpr std::size_t kIpv6HeaderBytes = 40;
inline constexpr std::size_t kTcpHeaderBytesMin = 20;
inline constexpr std::size_t kUdpHeaderBytes = 8;

/// Where fields stand, from the start of their header.
namespace field {
inline constexpr std::size_t kIpv4Tos = 1;
inline constexpr std::size_t kIpv4Length = 2;
inline constexpr std::size_t kIpv4Id = 4;
inline constexpr std::size_t kIpv4Fragment = 6;
inline constexpr std::size_t kIpv4Protocol = 9;
inline constexpr std::size_t kIpv4Checksum = 10;
inline constexpr std::size_t kIpv4Source = 12;
inline constexpr std::size_t kIpv4Destination = 16;
inline constexpr std::size_t kIpv6PayloadLength = 4;
inline constexpr std::size_t kIpv6NextHeader = 6;
inline constexpr std::size_t kIpv6Source = 8;
inline constexpr std::size_t kIpv6Destination = 24;
inline constexpr std::size_t kTcpSequence = 4;
inline constexpr std::size_t kTcpDataOffset = 12;
inline constexpr std::size_t kTcpFlags = 13;
inline constexpr std::size_t kTcpChecksum = 16;
inline constexpr std::size_t kUdpLength = 4;
inline constexpr std::size_t kUdpChecksum = 6;
}  // namespace field

inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpPsh = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpCwr = 0x80;
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4FragmentMask = 0x3fff;  // more fragments, and the offset
inline constexpr std::uint16_t kIpv6FragmentMask = 0xfff9;  // the offset, and more fragments

/// Integers of headers, big-endian.
[[nodiscard]] inline std::uint16_t load16(const std::byte* at) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 |
                                    std::to_integer<unsigned>(at[1]));
}
[[nodiscard]] inline std::uint32_t load32(const std::byte* at) noexcept {
  return static_cast<std::uint32_t>(load16(at)) << 16 | load16(at + 2);
}
inline void store16(std::byte* at, std::size_t value) noexcept {
  at[0] = static_cast<std::byte>(value >> 8);
  at[1] = static_cast<std::byte>(value);
}
inline void store32(std::byte* at, std::uint32_t value) noexcept {
  store16(at, value >> 16);
  store16(at + 2, value & 0xffff);
}

/// Where the headers that concern IP end. The header there may be cut short.
struct Transport {
  std::uint8_t protocol;
  std::size_t offset;
};

/// A view of an IP packet whose header is sound. Borrows the bytes.
class InnerPacket {
 public:
  /// None if the bytes hold no whole IPv4 or IPv6 packet.
  [[nodiscard]] static std::optional<InnerPacket> parse(std::span<std::byte> bytes) noexcept {
    return parse_beginning(bytes, bytes.size());
  }
  /// The same of a packet of up to `size` bytes, of which only the beginning lies in `bytes`: its
  /// header at least.
  [[nodiscard]] static std::optional<InnerPacket> parse_beginning(std::span<std::byte> bytes,
                                                                  std::size_t size) noexcept;

  /// The packet, or as much of it as was there to be parsed.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// By its header.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool v6() const noexcept { return v6_; }
  /// 4 or 16 bytes.
  [[nodiscard]] std::span<const std::byte> source() const noexcept;
  [[nodiscard]] std::span<const std::byte> destination() const noexcept;
  /// IPv4: options included. IPv6: 40; extension headers count as payload.
  [[nodiscard]] std::size_t header_size() const noexcept { return header_size_; }
  /// Of what follows directly: in IPv6 that may be an extension header.
  [[nodiscard]] std::uint8_t protocol() const noexcept;
  /// The transport header, behind all IPv6 extension headers. None in fragments, or if the chain
  /// does not fit the packet or is longer than any sender's.
  [[nodiscard]] std::optional<Transport> transport() const noexcept;
  /// One of several fragments: its payload does not begin with (or is not all of) a transport
  /// packet. IPv6's atomic fragment (RFC 6946) is a whole packet, and none.
  [[nodiscard]] bool fragment() const noexcept;
  /// The ECN bits (RFC 3168), 0–3: the low two of the TOS byte or traffic class; 0 is "not
  /// capable".
  [[nodiscard]] std::uint8_t ecn() const noexcept;
  /// Sets the ECN bits to 11, congestion experienced, and mends the IPv4 checksum.
  void mark_congestion() noexcept;

 private:
  InnerPacket(std::span<std::byte> bytes, std::size_t size, bool v6,
              std::size_t header_size) noexcept
      : bytes_(bytes.first(std::min(bytes.size(), size))),
        size_(size),
        v6_(v6),
        header_size_(header_size) {}

  std::span<std::byte> bytes_;
  std::size_t size_;
  bool v6_;
  std::size_t header_size_;
};

}  // namespace wg::tun
