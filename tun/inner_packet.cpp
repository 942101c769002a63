#include "tun/inner_packet.hpp"

#include <cstring>

#include "tun/checksum.hpp"

namespace wg::tun {
namespace {

std::optional<std::size_t> ipv4_header_size(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < kIpv4HeaderBytes) return std::nullopt;
  const std::size_t size = 4 * (std::to_integer<std::size_t>(bytes[0]) & 0x0f);
  if (size < kIpv4HeaderBytes || size > bytes.size()) return std::nullopt;
  return size;
}

std::uint8_t at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  return std::to_integer<std::uint8_t>(bytes[offset]);
}

constexpr std::uint8_t kIpv6FragmentHeader = 44;
/// Of one packet. RFC 8200 has each kind once, and destination options twice.
constexpr std::size_t kIpv6ExtensionHeadersMax = 16;

/// Those that begin with the next header and their length (RFC 7045), without those that protect
/// what follows.
bool extension_header(std::uint8_t protocol) noexcept {
  switch (protocol) {
    case 0:   // hop-by-hop options
    case 43:  // routing
    case kIpv6FragmentHeader:
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return true;
    default:
      return false;
  }
}

/// Where the chain of an IPv6 packet ends: at its transport, or at the fragment header of one of
/// several fragments.
std::optional<Transport> end_of_chain(std::span<const std::byte> bytes) noexcept {
  Transport end{.protocol = at(bytes, field::kIpv6NextHeader), .offset = kIpv6HeaderBytes};
  for (std::size_t headers = 0; extension_header(end.protocol); headers++) {
    if (headers == kIpv6ExtensionHeadersMax || bytes.size() < end.offset + 8) return std::nullopt;
    const std::byte* const header = bytes.data() + end.offset;
    std::size_t units_more = std::to_integer<std::size_t>(header[1]);
    if (end.protocol == kIpv6FragmentHeader) {
      if ((load16(header + 2) & kIpv6FragmentMask) != 0) return end;
      units_more = 0;  // reserved there
    }
    end.protocol = std::to_integer<std::uint8_t>(header[0]);
    end.offset += 8 * (1 + units_more);
    if (end.offset > bytes.size()) return std::nullopt;
  }
  return end;
}

}  // namespace

std::optional<InnerPacket> InnerPacket::parse_beginning(std::span<std::byte> bytes,
                                                        std::size_t size) noexcept {
  if (bytes.empty()) return std::nullopt;
  const unsigned version = std::to_integer<unsigned>(bytes[0]) >> 4;
  if (version == 4) {
    const auto header_size = ipv4_header_size(bytes);
    if (!header_size) return std::nullopt;
    const std::size_t length = load16(bytes.data() + field::kIpv4Length);
    if (length < *header_size || length > size) return std::nullopt;
    return InnerPacket(bytes, length, false, *header_size);
  }
  if (version == 6) {
    if (bytes.size() < kIpv6HeaderBytes) return std::nullopt;
    const std::size_t length = kIpv6HeaderBytes + load16(bytes.data() + field::kIpv6PayloadLength);
    if (length > size) return std::nullopt;
    return InnerPacket(bytes, length, true, kIpv6HeaderBytes);
  }
  return std::nullopt;
}

std::span<const std::byte> InnerPacket::source() const noexcept {
  return v6_ ? bytes_.subspan(field::kIpv6Source, 16) : bytes_.subspan(field::kIpv4Source, 4);
}

std::span<const std::byte> InnerPacket::destination() const noexcept {
  return v6_ ? bytes_.subspan(field::kIpv6Destination, 16)
             : bytes_.subspan(field::kIpv4Destination, 4);
}

std::uint8_t InnerPacket::protocol() const noexcept {
  return at(bytes_, v6_ ? field::kIpv6NextHeader : field::kIpv4Protocol);
}

std::optional<Transport> InnerPacket::transport() const noexcept {
  if (v6_) {
    const auto end = end_of_chain(bytes_);
    return end && end->protocol != kIpv6FragmentHeader ? end : std::nullopt;
  }
  if (fragment()) return std::nullopt;
  return Transport{.protocol = protocol(), .offset = header_size_};
}

bool InnerPacket::fragment() const noexcept {
  if (v6_) {
    const auto end = end_of_chain(bytes_);
    return end && end->protocol == kIpv6FragmentHeader;
  }
  return (load16(bytes_.data() + field::kIpv4Fragment) & kIpv4FragmentMask) != 0;
}

std::uint8_t InnerPacket::ecn() const noexcept {
  const unsigned traffic_class = v6_ ? load16(bytes_.data()) >> 4 : at(bytes_, field::kIpv4Tos);
  return traffic_class & 3;
}

void InnerPacket::mark_congestion() noexcept {
  if (v6_) {
    bytes_[1] |= std::byte{0x30};
    return;
  }
  std::uint16_t before;
  std::uint16_t after;
  std::uint16_t checksum;
  std::memcpy(&before, bytes_.data(), 2);
  bytes_[field::kIpv4Tos] |= std::byte{3};
  std::memcpy(&after, bytes_.data(), 2);
  std::memcpy(&checksum, bytes_.data() + field::kIpv4Checksum, 2);
  checksum = update_checksum(checksum, before, after);
  std::memcpy(bytes_.data() + field::kIpv4Checksum, &checksum, 2);
}

}  // namespace wg::tun
