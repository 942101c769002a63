#include "tun/segment_plan.hpp"

#include <algorithm>
#include <cstring>

#include "tun/checksum.hpp"

namespace wg::tun {
namespace {

/// The transport header that the offload speaks of, or none if that is not what the packet holds.
std::optional<Transport> transport_to_cut(const InnerPacket& packet, Cut cut) noexcept {
  const auto transport = packet.transport();
  const std::uint8_t expected = cut == Cut::Udp ? kProtocolUdp : kProtocolTcp;
  if (!transport || transport->protocol != expected) return std::nullopt;
  if (cut != Cut::Udp && packet.v6() != (cut == Cut::TcpV6)) return std::nullopt;
  return transport;
}

/// Bytes of the transport header, or none if it is cut short.
std::optional<std::size_t> transport_header_size(std::span<const std::byte> transport,
                                                 Cut cut) noexcept {
  if (cut == Cut::Udp) {
    if (transport.size() < kUdpHeaderBytes) return std::nullopt;
    return kUdpHeaderBytes;
  }
  if (transport.size() < kTcpHeaderBytesMin) return std::nullopt;
  const std::size_t size =
      4 * (std::to_integer<std::size_t>(transport[field::kTcpDataOffset]) >> 4);
  if (size < kTcpHeaderBytesMin || size > transport.size()) return std::nullopt;
  return size;
}

/// The sum of the segments' pseudo-header but for the length, or none if the offload's open
/// checksum is not the transport's.
std::optional<std::uint64_t> pseudo_header_base(const InnerPacket& packet,
                                                const Transport& transport,
                                                const Offload& offload) noexcept {
  const bool plain = transport.offset == (packet.v6() ? kIpv6HeaderBytes : kIpv4HeaderBytes);
  if (plain || !offload.checksum_open) {
    return pseudo_header_sum(packet.source(), packet.destination(), transport.protocol, 0);
  }
  const std::size_t checksum_offset =
      offload.cut == Cut::Udp ? field::kUdpChecksum : field::kTcpChecksum;
  if (offload.checksum_start != transport.offset || offload.checksum_offset != checksum_offset) {
    return std::nullopt;
  }
  std::uint16_t open;
  std::memcpy(&open, packet.bytes().data() + transport.offset + checksum_offset, sizeof open);
  const auto length = fold(length_sum(packet.size() - transport.offset));
  return std::uint64_t{open} + static_cast<std::uint16_t>(~length);
}

void store_sum(std::byte* at, std::uint16_t wire_order) noexcept {
  std::memcpy(at, &wire_order, sizeof wire_order);
}

}  // namespace

std::optional<SegmentPlan> SegmentPlan::make(const SuperPacket& super) noexcept {
  const auto packet = InnerPacket::parse_beginning(super.bytes, super.size());
  if (!packet) return std::nullopt;
  SegmentPlan plan(*packet, super);
  Offload& offload = plan.offload_;
  if (offload.cut == Cut::None) {
    const std::size_t stored = std::size_t{offload.checksum_start} + offload.checksum_offset + 2;
    const bool fits = offload.checksum_start >= packet->header_size() && stored <= packet->size();
    if (offload.checksum_open && !fits) return std::nullopt;
    return plan;
  }
  // The headers' size is read from the headers: what the kernel passes along is only a hint.
  const auto transport = transport_to_cut(*packet, offload.cut);
  if (!transport || offload.segment_payload == 0) return std::nullopt;
  const auto size = transport_header_size(packet->bytes().subspan(transport->offset), offload.cut);
  if (!size) return std::nullopt;
  const auto base = pseudo_header_base(*packet, *transport, offload);
  if (!base) return std::nullopt;
  plan.transport_ = transport->offset;
  plan.pseudo_header_base_ = *base;
  offload.header_size = static_cast<std::uint16_t>(transport->offset + *size);
  const std::size_t payload = packet->size() - offload.header_size;
  plan.count_ =
      std::max<std::size_t>(1, (payload + offload.segment_payload - 1) / offload.segment_payload);
  return plan;
}

std::size_t SegmentPlan::size(std::size_t i) const noexcept {
  const std::size_t total = packet_.size();
  if (offload_.cut == Cut::None) return total;
  const std::size_t begin = offload_.header_size + i * offload_.segment_payload;
  return offload_.header_size + std::min<std::size_t>(offload_.segment_payload, total - begin);
}

void SegmentPlan::copy(std::size_t begin, std::size_t size, std::byte* target) const noexcept {
  const auto take = [&](std::span<const std::byte> piece) {
    if (begin >= piece.size()) {
      begin -= piece.size();
      return;
    }
    const std::size_t taken = std::min(size, piece.size() - begin);
    std::memcpy(target, piece.data() + begin, taken);
    target += taken;
    size -= taken;
    begin = 0;
  };
  take(packet_.bytes());
  for (std::size_t k = 0; size > 0 && k < more_.size(); k++) {
    take({static_cast<const std::byte*>(more_[k].iov_base), more_[k].iov_len});
  }
}

void SegmentPlan::write(std::size_t i, std::byte* target) const noexcept {
  if (offload_.cut != Cut::None) return write_cut(i, target);
  copy(0, packet_.size(), target);
  if (offload_.checksum_open) complete_checksum(target);
}

void SegmentPlan::complete_checksum(std::byte* target) const noexcept {
  // The field holds the pseudo-header's sum, so summing over it includes that.
  const std::span covered(target + offload_.checksum_start,
                          packet_.size() - offload_.checksum_start);
  auto checksum = static_cast<std::uint16_t>(~fold(add_to_sum(0, covered)));
  // In UDP 0 says "none". It is known by where its checksum stands, also within a tunnel that the
  // host put it in.
  if (checksum == 0 && offload_.checksum_offset == field::kUdpChecksum) checksum = 0xffff;
  store_sum(covered.data() + offload_.checksum_offset, checksum);
}

void SegmentPlan::write_cut(std::size_t i, std::byte* target) const noexcept {
  const std::size_t headers = offload_.header_size;
  std::memcpy(target, packet_.bytes().data(), headers);
  copy(headers + i * offload_.segment_payload, size(i) - headers, target + headers);
  rewrite_network_header(i, target);
  rewrite_transport_header(i, target);
}

void SegmentPlan::rewrite_network_header(std::size_t i, std::byte* target) const noexcept {
  if (packet_.v6()) {
    store16(target + field::kIpv6PayloadLength, size(i) - kIpv6HeaderBytes);
    return;
  }
  store16(target + field::kIpv4Length, size(i));
  store16(target + field::kIpv4Id, load16(target + field::kIpv4Id) + i);
  store16(target + field::kIpv4Checksum, 0);
  const std::uint64_t sum = add_to_sum(0, {target, packet_.header_size()});
  store_sum(target + field::kIpv4Checksum, static_cast<std::uint16_t>(~fold(sum)));
}

void SegmentPlan::rewrite_transport_header(std::size_t i, std::byte* target) const noexcept {
  std::byte* const transport = target + transport_;
  const std::size_t length = size(i) - transport_;
  std::size_t checksum_at = field::kUdpChecksum;
  if (offload_.cut == Cut::Udp) {
    store16(transport + field::kUdpLength, length);
  } else {
    checksum_at = field::kTcpChecksum;
    const auto skipped = static_cast<std::uint32_t>(i * offload_.segment_payload);
    store32(transport + field::kTcpSequence, load32(transport + field::kTcpSequence) + skipped);
    auto flags = std::to_integer<std::uint8_t>(transport[field::kTcpFlags]);
    if (i + 1 != count_) flags &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
    if (i != 0) flags &= static_cast<std::uint8_t>(~kTcpCwr);
    transport[field::kTcpFlags] = std::byte{flags};
  }
  store16(transport + checksum_at, 0);
  const std::uint64_t sum =
      add_to_sum(pseudo_header_base_ + length_sum(length), {transport, length});
  auto checksum = static_cast<std::uint16_t>(~fold(sum));
  if (checksum == 0 && offload_.cut == Cut::Udp) checksum = 0xffff;  // 0 says "none"
  store_sum(transport + checksum_at, checksum);
}

}  // namespace wg::tun
