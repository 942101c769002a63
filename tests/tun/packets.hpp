// Inner packets for tests, built field by field, with correct checksums.
#pragma once

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

/// Whether IP header and transport checksums are right; computed plainly, byte by byte.
[[nodiscard]] bool checksums_right(const Bytes& packet);

}  // namespace wg::test
