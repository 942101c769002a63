#include "tun/joiner.hpp"

#include <cstring>

#include "tun/checksum.hpp"

namespace wg::tun {
namespace {

bool same_bytes(const std::byte* a, const std::byte* b, std::size_t size) noexcept {
  return std::memcmp(a, b, size) == 0;
}

/// Both addresses.
bool same_addresses(const InnerPacket& a, const InnerPacket& b) noexcept {
  if (a.v6() != b.v6()) return false;
  const std::size_t at = a.v6() ? field::kIpv6Source : field::kIpv4Source;
  const std::size_t size = a.v6() ? 32 : 8;
  return same_bytes(a.bytes().data() + at, b.bytes().data() + at, size);
}

iovec piece(std::span<std::byte> bytes) noexcept {
  return {bytes.data(), bytes.size()};
}

}  // namespace

std::optional<Joiner::Candidate> Joiner::Candidate::of(const InnerPacket& packet) noexcept {
  const std::uint8_t protocol = packet.protocol();
  if ((protocol != kProtocolTcp && protocol != kProtocolUdp) || packet.fragment()) {
    return std::nullopt;
  }
  const bool tcp = protocol == kProtocolTcp;
  const auto transport = packet.bytes().subspan(packet.header_size());
  std::size_t transport_size = kUdpHeaderBytes;
  bool joinable = true;
  if (tcp) {
    if (transport.size() < kTcpHeaderBytesMin) return std::nullopt;
    transport_size = 4 * (std::to_integer<std::size_t>(transport[field::kTcpDataOffset]) >> 4);
    if (transport_size < kTcpHeaderBytesMin || transport_size > transport.size()) {
      return std::nullopt;
    }
    const auto flags = std::to_integer<std::uint8_t>(transport[field::kTcpFlags]);
    joinable = (flags & ~kTcpPsh) == kTcpAck;
  } else {
    if (transport.size() < kUdpHeaderBytes) return std::nullopt;
    joinable = load16(transport.data() + field::kUdpLength) == transport.size() &&
               load16(transport.data() + field::kUdpChecksum) != 0;
  }
  const std::size_t header_size = packet.header_size() + transport_size;
  const std::size_t payload = packet.bytes().size() - header_size;
  return Candidate{.packet = packet,
                   .header_size = header_size,
                   .payload = payload,
                   .tcp = tcp,
                   .joinable = joinable && payload > 0};
}

bool Joiner::Candidate::same_flow(const Candidate& other) const noexcept {
  return tcp == other.tcp && same_addresses(packet, other.packet) &&
         same_bytes(transport(), other.transport(), 4);  // both ports
}

bool Joiner::Candidate::checksum_correct() const noexcept {
  const auto covered = packet.bytes().subspan(packet.header_size());
  const std::uint64_t sum =
      pseudo_header_sum(packet.source(), packet.destination(), packet.protocol(), covered.size());
  if (fold(add_to_sum(sum, covered)) != 0xffff) return false;
  return packet.v6() || fold(add_to_sum(0, packet.bytes().first(packet.header_size()))) == 0xffff;
}

bool Joiner::Candidate::pushes() const noexcept {
  return tcp && (std::to_integer<unsigned>(transport()[field::kTcpFlags]) & kTcpPsh) != 0;
}

/// Whether `next` differs from the first of the join only where the next segment must.
bool Joiner::headers_continue(const Join& join, const Candidate& next) noexcept {
  const Candidate& first = join.first;
  if (first.header_size != next.header_size) return false;
  const std::byte* const a = first.packet.bytes().data();
  const std::byte* const b = next.packet.bytes().data();
  if (first.packet.v6()) {
    if (!same_bytes(a, b, field::kIpv6PayloadLength) ||
        !same_bytes(a + field::kIpv6NextHeader, b + field::kIpv6NextHeader, 2)) {
      return false;
    }
  } else {
    const std::size_t options = first.packet.header_size() - kIpv4HeaderBytes;
    const std::uint16_t fragment = load16(a + field::kIpv4Fragment);
    const auto expected_id = static_cast<std::uint16_t>(load16(a + field::kIpv4Id) + join.count);
    if (!same_bytes(a, b, field::kIpv4Length) ||
        !same_bytes(a + field::kIpv4Fragment, b + field::kIpv4Fragment, 4) ||
        !same_bytes(a + kIpv4HeaderBytes, b + kIpv4HeaderBytes, options) ||
        ((fragment & kIpv4DontFragment) == 0 && load16(b + field::kIpv4Id) != expected_id)) {
      return false;
    }
  }
  if (!first.tcp) return true;

  const std::byte* const t = first.transport();
  const std::byte* const u = next.transport();
  const auto joined = static_cast<std::uint32_t>(join.bytes - first.header_size);
  return load32(u + field::kTcpSequence) == load32(t + field::kTcpSequence) + joined &&
         same_bytes(t + 8, u + 8, 5) &&    // acknowledgement and data offset
         same_bytes(t + 14, u + 14, 2) &&  // window
         same_bytes(t + 18, u + 18,
                    first.header_size - first.packet.header_size() - 18);  // urgent, options
}

bool Joiner::append(Join& join, const Candidate& next) noexcept {
  if (join.complete || !next.joinable || join.count == kSegmentsMax ||
      join.bytes + next.payload > kSuperPacketBytesMax || next.payload > join.first.payload ||
      !headers_continue(join, next)) {
    return false;
  }
  if (!join.first_verified) {
    if (!join.first.checksum_correct()) return false;
    join.first_verified = true;
  }
  if (!next.checksum_correct()) return false;
  join.pieces[join.count++] = piece(next.packet.bytes().subspan(next.header_size));
  join.bytes += next.payload;
  if (next.pushes()) join.first.transport()[field::kTcpFlags] |= std::byte{kTcpPsh};
  join.complete = next.payload < join.first.payload || next.pushes();
  return true;
}

void Joiner::add(const InnerPacket& packet) noexcept {
  const auto candidate = Candidate::of(packet);
  if (!candidate) {
    close_between_addresses_of(packet);
    return write_alone(packet);
  }
  for (auto& join : joins_) {
    if (open_joins_ == 0) break;
    if (!join || !join->first.same_flow(*candidate)) continue;
    if (append(*join, *candidate)) return;
    close(join);
    break;
  }
  if (wanted(*candidate)) {
    open(*candidate);
  } else {
    write_alone(packet);
  }
}

void Joiner::open(const Candidate& first) noexcept {
  std::size_t slot = 0;
  while (slot < kFlowsMax && joins_[slot]) slot++;
  if (slot == kFlowsMax) {
    slot = next_victim_++ % kFlowsMax;
    close(joins_[slot]);
  }
  Join& join = joins_[slot].emplace(Join{.first = first,
                                         .pieces = {},
                                         .count = 1,
                                         .bytes = first.packet.bytes().size(),
                                         .first_verified = false,
                                         .complete = first.pushes()});
  join.pieces[0] = piece(first.packet.bytes());
  open_joins_++;
}

void Joiner::close(std::optional<Join>& join) noexcept {
  write(*join);
  join.reset();
  open_joins_--;
}

void Joiner::close_between_addresses_of(const InnerPacket& packet) noexcept {
  if (open_joins_ == 0) return;
  for (auto& join : joins_) {
    if (join && same_addresses(join->first.packet, packet)) close(join);
  }
}

void Joiner::flush() noexcept {
  if (open_joins_ == 0) return;
  for (auto& join : joins_) {
    if (join) close(join);
  }
}

void Joiner::write(Join& join) noexcept {
  if (join.count == 1) return write_alone(join.first.packet);
  const Candidate& first = join.first;
  std::byte* const header = first.packet.bytes().data();
  std::byte* const transport = first.transport();
  const std::size_t network = first.packet.header_size();
  if (first.packet.v6()) {
    store16(header + field::kIpv6PayloadLength, join.bytes - kIpv6HeaderBytes);
  } else {
    store16(header + field::kIpv4Length, join.bytes);
    store16(header + field::kIpv4Checksum, 0);
    const auto checksum = static_cast<std::uint16_t>(~fold(add_to_sum(0, {header, network})));
    std::memcpy(header + field::kIpv4Checksum, &checksum, sizeof checksum);
  }
  if (!first.tcp) store16(transport + field::kUdpLength, join.bytes - network);
  const std::size_t checksum_offset = first.tcp ? field::kTcpChecksum : field::kUdpChecksum;
  const std::uint16_t open_sum =
      fold(pseudo_header_sum(first.packet.source(), first.packet.destination(),
                             first.packet.protocol(), join.bytes - network));
  std::memcpy(transport + checksum_offset, &open_sum, sizeof open_sum);

  const Cut tcp_cut = first.packet.v6() ? Cut::TcpV6 : Cut::TcpV4;
  sink_.write(std::span(join.pieces).first(join.count),
              Offload{.cut = first.tcp ? tcp_cut : Cut::Udp,
                      .checksum_open = true,
                      .header_size = static_cast<std::uint16_t>(first.header_size),
                      .segment_payload = static_cast<std::uint16_t>(first.payload),
                      .checksum_start = static_cast<std::uint16_t>(network),
                      .checksum_offset = static_cast<std::uint16_t>(checksum_offset)},
              join.count);
}

void Joiner::write_alone(const InnerPacket& packet) noexcept {
  const iovec whole = piece(packet.bytes());
  sink_.write({&whole, 1}, Offload{}, 1);
}

}  // namespace wg::tun
