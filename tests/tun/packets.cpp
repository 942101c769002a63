#include "tests/tun/packets.hpp"

#include <algorithm>

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
std::uint32_t pseudo_header_sum(const Bytes& packet) {
  const Layout at = layout_of(packet);
  std::uint32_t sum = plain_sum(packet, at.source, at.source + at.address);
  sum = plain_sum(packet, at.destination, at.destination + at.address, sum);
  sum += std::to_integer<std::uint32_t>(packet[at.protocol_at]);
  sum += static_cast<std::uint32_t>(packet.size() - at.header);
  return plain_sum({}, 0, 0, sum);
}
std::uint32_t transport_sum(const Bytes& packet) {
  return plain_sum(packet, layout_of(packet).header, packet.size(), pseudo_header_sum(packet));
}
std::size_t checksum_at(const Bytes& packet) {
  const Layout at = layout_of(packet);
  return at.header + (packet[at.protocol_at] == std::byte{6} ? 16 : 6);
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

const std::vector<ExtensionChain>& extension_chains() {
  const auto bytes = [](std::initializer_list<int> values, std::size_t zeros = 0) {
    Bytes out(values.size() + zeros);
    std::ranges::transform(values, out.begin(), [](int value) { return std::byte(value); });
    return out;
  };
  const Extension hop_by_hop{.type = 0, .rest = bytes({0, 1, 4}, 4)};
  const Extension destination{.type = 60, .rest = bytes({1, 1, 12}, 12)};
  // Type 4, segment routing: one left of two, and the two addresses.
  const Extension routing{.type = 43, .rest = bytes({4, 4, 1, 1}, 3 + 32)};
  const Extension atomic_fragment{.type = 44, .rest = bytes({0, 0, 0, 1, 2, 3, 4})};
  static const std::vector<ExtensionChain> chains{
      {.name = "destination options", .headers = {destination}},
      {.name = "hop-by-hop options", .headers = {hop_by_hop}},
      {.name = "hop-by-hop and destination options", .headers = {hop_by_hop, destination}},
      {.name = "a source route", .headers = {routing}},
      {.name = "a source route between options", .headers = {hop_by_hop, routing, destination}},
      {.name = "an atomic fragment", .headers = {atomic_fragment}},
  };
  return chains;
}

Bytes behind(const Bytes& packet, const std::vector<Extension>& headers) {
  Bytes out(packet.begin(), packet.begin() + 40);
  std::size_t next_at = 6;
  for (const Extension& header : headers) {
    const std::byte after = out[next_at];
    out[next_at] = std::byte{header.type};
    next_at = out.size();
    out.push_back(after);
    out.insert(out.end(), header.rest.begin(), header.rest.end());
    if (header.type == 43) out[39] = std::byte{0x77};
  }
  out.insert(out.end(), packet.begin() + 40, packet.end());
  set16(out, 4, static_cast<std::uint32_t>(out.size() - 40));
  return out;
}

Bytes source_routed(const Bytes& packet) {
  Bytes out(packet.begin(), packet.begin() + 20);
  for (const int value : {131, 7, 4}) out.push_back(static_cast<std::byte>(value));
  out.insert(out.end(), packet.begin() + 16, packet.begin() + 20);
  out.push_back(std::byte{0});
  out.insert(out.end(), packet.begin() + 20, packet.end());
  out[0] = std::byte{0x47};
  out[19] = std::byte{0x77};
  set16(out, 2, static_cast<std::uint32_t>(out.size()));
  set16(out, 10, 0);
  set16(out, 10, ~plain_sum(out, 0, 28) & 0xffff);
  return out;
}

Bytes with_open_checksum(const Bytes& packet) {
  Bytes out = packet;
  set16(out, checksum_at(packet), pseudo_header_sum(packet));
  return out;
}

Bytes with_zero_checksum(const Bytes& packet) {
  const bool tcp = packet[layout_of(packet).protocol_at] == std::byte{6};
  const std::size_t checksum = checksum_at(packet);
  const std::size_t payload = layout_of(packet).header + (tcp ? 20 : 8);
  Bytes out = packet;
  set16(out, payload, 0);
  set16(out, checksum, 0);
  set16(out, payload, ~transport_sum(out) & 0xffff);
  if (!tcp) set16(out, checksum, 0xffff);  // in UDP 0 says "none"
  return out;
}

bool checksums_right(const Bytes& packet) {
  const Layout at = layout_of(packet);
  if (!at.v6 && plain_sum(packet, 0, at.header) != 0xffff) return false;
  return transport_sum(packet) == 0xffff;
}

}  // namespace wg::test
