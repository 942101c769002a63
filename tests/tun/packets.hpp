// Inner packets for tests, built field by field, with correct checksums.
#pragma once

#include <vector>

#include "tests/bytes.hpp"
#include "tun/tun.hpp"

namespace wg::test {

struct TcpFields {
  bool v6 = false;
  std::uint8_t source_host = 1, destination_host = 2;  // the last byte of 10.0.0.x or fd00::x
  std::uint16_t source_port = 1000, destination_port = 2000;
  std::uint32_t sequence = 100, acknowledgement = 7;
  std::uint8_t flags = 0x10;  // ACK
  std::uint16_t window = 500, id = 40;
  bool dont_fragment = true;
  std::uint8_t ttl = 64, traffic_class = 0;
  std::size_t payload = 100;
  std::byte fill{0x5a};
  Bytes options = {};  // of TCP, a multiple of four
};

[[nodiscard]] Bytes tcp_packet(const TcpFields& fields);
/// The same with a UDP header; the TCP fields are ignored.
[[nodiscard]] Bytes udp_packet(const TcpFields& fields);
[[nodiscard]] Bytes icmp_packet(std::uint8_t source_host, std::uint8_t destination_host,
                                std::size_t payload);

/// An IPv6 extension header: its type, and what follows its first byte.
struct Extension {
  std::uint8_t type;
  Bytes rest;
};
struct ExtensionChain {
  const char* name;
  std::vector<Extension> headers;
};
/// The chains that a sender may put in front of its transport header: options, a source route with
/// one segment left, an atomic fragment.
[[nodiscard]] const std::vector<ExtensionChain>& extension_chains();
/// The IPv6 packet with the headers between its IP and transport headers. A routing header makes
/// its destination a hop's, and leaves the checksum that of the final destination.
[[nodiscard]] Bytes behind(const Bytes& packet, const std::vector<Extension>& headers);
/// The IPv4 packet with a loose source route among its IP options, likewise.
[[nodiscard]] Bytes source_routed(const Bytes& packet);

/// The packet as the kernel leaves it to be completed: its checksum is the pseudo-header's sum.
[[nodiscard]] Bytes with_open_checksum(const Bytes& packet);
/// The UDP or TCP packet with its first word of payload chosen so that what is covered by the
/// checksum sums to a checksum of 0.
[[nodiscard]] Bytes with_zero_checksum(const Bytes& packet);

/// Whether IP header and transport checksums are right; computed plainly, byte by byte.
[[nodiscard]] bool checksums_right(const Bytes& packet);

}  // namespace wg::test
