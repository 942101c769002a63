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

}  // namespace

std::optional<InnerPacket> InnerPacket::parse(std::span<std::byte> bytes) noexcept {
  if (bytes.empty()) return std::nullopt;
  const unsigned version = std::to_integer<unsigned>(bytes[0]) >> 4;
  if (version == 4) {
    const auto header_size = ipv4_header_size(bytes);
    if (!header_size) return std::nullopt;
    const std::size_t length = load16(bytes.data() + field::kIpv4Length);
    if (length < *header_size || length > bytes.size()) return std::nullopt;
    return InnerPacket(bytes.first(length), false, *header_size);
  }
  if (version == 6) {
    if (bytes.size() < kIpv6HeaderBytes) return std::nullopt;
    const std::size_t length = kIpv6HeaderBytes + load16(bytes.data() + field::kIpv6PayloadLength);
    if (length > bytes.size()) return std::nullopt;
    return InnerPacket(bytes.first(length), true, kIpv6HeaderBytes);
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

bool InnerPacket::fragment() const noexcept {
  constexpr std::uint8_t kIpv6FragmentHeader = 44;
  if (v6_) return protocol() == kIpv6FragmentHeader;
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
