#include "tests/tun/packets.hpp"

namespace wg::test {
namespace {

void put16(Bytes& out, std::size_t value) {
  out.push_back(static_cast<std::byte>(value >> 8));
  out.push_back(static_cast<std::byte>(value));
}
void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void set16(Bytes& out, std::size_t at, std::uint32_t value) {
  out[at] = static_cast<std::byte>(value >> 8);
  out[at + 1] = static_cast<std::byte>(value);
}

/// RFC 1071 as it stands there, for comparison.
std::uint32_t plain_sum(const Bytes& bytes, std::size_t from, std::size_t to,
                        std::uint32_t sum = 0) {
  for (std::size_t i = from; i < to; i++) {
    const auto byte = std::to_integer<std::uint32_t>(bytes[i]);
    sum += (i - from) % 2 == 0 ? byte << 8 : byte;
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

struct Layout {
  bool v6;
  std::size_t header, protocol_at, source, destination, address;
};
Layout layout_of(const Bytes& packet) {
  const bool v6 = (packet[0] >> 4) == std::byte{6};
  if (v6) return {true, 40, 6, 8, 24, 16};
  return {false, 4 * std::to_integer<std::size_t>(packet[0] & std::byte{15}), 9, 12, 16, 4};
}
std::uint32_t transport_sum(const Bytes& packet) {
  const Layout at = layout_of(packet);
  std::uint32_t sum = plain_sum(packet, at.source, at.source + at.address);
  sum = plain_sum(packet, at.destination, at.destination + at.address, sum);
  sum += std::to_integer<std::uint32_t>(packet[at.protocol_at]);
  sum += static_cast<std::uint32_t>(packet.size() - at.header);
  return plain_sum(packet, at.header, packet.size(), sum);
}

Bytes ip_header(const TcpFields& f, std::uint8_t protocol, std::size_t length) {
  Bytes out;
  if (f.v6) {
    put32(out, 0x60000000u | std::uint32_t{f.traffic_class} << 20);
    put16(out, length);
    out.push_back(std::byte{protocol});
    out.push_back(std::byte{f.ttl});
    for (const std::uint8_t host : {f.source_host, f.destination_host}) {
      Bytes address(16);
      address[0] = std::byte{0xfd};
      address[15] = std::byte{host};
      out.insert(out.end(), address.begin(), address.end());
    }
    return out;
  }
  out.push_back(std::byte{0x45});
  out.push_back(std::byte{f.traffic_class});
  put16(out, 20 + length);
  put16(out, f.id);
  put16(out, f.dont_fragment ? 0x4000 : 0);
  out.push_back(std::byte{f.ttl});
  out.push_back(std::byte{protocol});
  put16(out, 0);
  put32(out, 0x0a000000u | f.source_host);
  put32(out, 0x0a000000u | f.destination_host);
  set16(out, 10, ~plain_sum(out, 0, 20) & 0xffff);
  return out;
}

void append_payload(Bytes& packet, const TcpFields& f) {
  for (std::size_t i = 0; i < f.payload; i++) {
    packet.push_back(f.fill ^ static_cast<std::byte>(i));
  }
}

}  // namespace

Bytes tcp_packet(const TcpFields& f) {
  const std::size_t header = 20 + f.options.size();
  Bytes packet = ip_header(f, 6, header + f.payload);
  const std::size_t transport = packet.size();
  put16(packet, f.source_port);
  put16(packet, f.destination_port);
  put32(packet, f.sequence);
  put32(packet, f.acknowledgement);
  packet.push_back(static_cast<std::byte>(header / 4 << 4));
  packet.push_back(std::byte{f.flags});
  put16(packet, f.window);
  put16(packet, 0);
  put16(packet, 0);
  packet.insert(packet.end(), f.options.begin(), f.options.end());
  append_payload(packet, f);
  set16(packet, transport + 16, ~transport_sum(packet) & 0xffff);
  return packet;
}

Bytes udp_packet(const TcpFields& f) {
  Bytes packet = ip_header(f, 17, 8 + f.payload);
  const std::size_t transport = packet.size();
  put16(packet, f.source_port);
  put16(packet, f.destination_port);
  put16(packet, 8 + f.payload);
  put16(packet, 0);
  append_payload(packet, f);
  std::uint32_t checksum = ~transport_sum(packet) & 0xffff;
  if (checksum == 0) checksum = 0xffff;
  set16(packet, transport + 6, checksum);
  return packet;
}

Bytes icmp_packet(std::uint8_t source_host, std::uint8_t destination_host, std::size_t payload) {
  TcpFields f{.source_host = source_host, .destination_host = destination_host, .payload = payload};
  Bytes packet = ip_header(f, 1, 8 + payload);
  const std::size_t icmp = packet.size();
  packet.push_back(std::byte{8});
  packet.resize(icmp + 8);
  append_payload(packet, f);
  set16(packet, icmp + 2, ~plain_sum(packet, icmp, packet.size()) & 0xffff);
  return packet;
}

bool checksums_right(const Bytes& packet) {
  const Layout at = layout_of(packet);
  if (!at.v6 && plain_sum(packet, 0, at.header) != 0xffff) return false;
  return transport_sum(packet) == 0xffff;
}

}  // namespace wg::test
