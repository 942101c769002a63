// Inner packets: parsing, cutting a super-packet, and joining what comes in. The input's first byte
// chooses: an offload as it is and a super-packet; a series of packets for the joiner, cut by
// lengths in it; or a chain of IPv6 extension headers and a transport packet, for which the offload
// that fits is made up.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tun/checksum.hpp"
#include "tun/joiner.hpp"
#include "tun/segment_plan.hpp"

using namespace wg::tun;

namespace {

using Bytes = std::vector<std::byte>;

/// Bytes from the input's front, zeros where it has no more.
Bytes take(std::span<const std::uint8_t>& input, std::size_t size) {
  Bytes taken(size);
  const std::size_t there = std::min(size, input.size());
  if (there > 0) std::memcpy(taken.data(), input.data(), there);
  input = input.subspan(there);
  return taken;
}
std::size_t take_byte(std::span<const std::uint8_t>& input) {
  return std::to_integer<std::size_t>(take(input, 1)[0]);
}

/// Nothing may be lost or made up on the way through the joiner.
class Counter final : public Joiner::Sink {
 public:
  void write(std::span<const iovec> pieces, const Offload& offload,
             std::size_t packets) noexcept override {
    Bytes whole;
    for (const iovec& piece : pieces) {
      const auto* const bytes = static_cast<const std::byte*>(piece.iov_base);
      whole.insert(whole.end(), bytes, bytes + piece.iov_len);
      order.push_back(bytes);
    }
    if (whole.size() > kSuperPacketBytesMax || pieces.size() > 64) std::abort();
    const auto plan = SegmentPlan::make({.bytes = whole, .offload = offload});
    if (!plan || plan->count() != packets) std::abort();  // cut again, it is as many packets
    written += packets;
  }
  std::size_t written = 0;
  std::vector<const std::byte*> order;  // somewhere in each packet, in the order of writing
};

/// Both ports, if the packet has them right behind its IP header.
std::optional<std::uint64_t> flow_of(const InnerPacket& packet) {
  const auto transport = packet.transport();
  if (!transport || transport->offset != packet.header_size()) return std::nullopt;
  if (transport->protocol != kProtocolTcp && transport->protocol != kProtocolUdp) {
    return std::nullopt;
  }
  if (packet.bytes().size() < transport->offset + kUdpHeaderBytes) return std::nullopt;
  return std::uint64_t{transport->protocol} << 32 |
         load32(packet.bytes().data() + transport->offset);
}

/// Whether the second may never be written before the first.
bool ordered(const InnerPacket& first, const InnerPacket& second) {
  if (first.v6() != second.v6() || !std::ranges::equal(first.source(), second.source()) ||
      !std::ranges::equal(first.destination(), second.destination())) {
    return false;
  }
  const auto flow = flow_of(first);
  const auto other = flow_of(second);
  return !flow || !other || *flow == *other;
}

void check_segments(const SegmentPlan& plan, bool cut) {
  std::optional<Transport> first;
  std::uint32_t first_sum = 0;
  for (std::size_t i = 0; i < plan.count(); i++) {
    Bytes segment(plan.size(i));
    plan.write(i, segment.data());
    const auto packet = InnerPacket::parse(segment);
    if (!packet || packet->bytes().size() != segment.size()) std::abort();
    if (!cut) continue;
    // Each has a transport where the first has it, and they are right for the same addresses.
    const auto transport = packet->transport();
    if (!transport) std::abort();
    const auto covered = packet->bytes().subspan(transport->offset);
    const std::uint32_t sum = fold(add_to_sum(length_sum(covered.size()), covered)) % 0xffff;
    if (!first) {
      first = transport;
      first_sum = sum;
    }
    if (transport->offset != first->offset || transport->protocol != first->protocol ||
        sum != first_sum) {
      std::abort();
    }
  }
}

/// In pieces it is cut as it is in one, or refused if the first does not hold the headers.
void check_in_pieces(const SegmentPlan& whole, Bytes bytes, const Offload& offload,
                     std::size_t first, std::size_t rest) {
  first = std::min(first, bytes.size());
  std::vector<iovec> more;
  for (std::size_t at = first; at < bytes.size(); at += rest) {
    more.push_back({&bytes[at], std::min(rest, bytes.size() - at)});
  }
  const auto plan =
      SegmentPlan::make({.bytes = std::span(bytes).first(first), .more = more, .offload = offload});
  if (!plan) return;
  if (plan->count() != whole.count()) std::abort();
  for (std::size_t i = 0; i < whole.count(); i++) {
    if (plan->size(i) != whole.size(i)) std::abort();
    Bytes one(whole.size(i));
    Bytes other(whole.size(i));
    whole.write(i, one.data());
    plan->write(i, other.data());
    if (one != other) std::abort();
  }
}

void cut(std::span<const std::uint8_t> input) {
  constexpr std::size_t kOffloadBytes = 10;
  if (input.size() < kOffloadBytes) return;
  Offload offload{.cut = static_cast<Cut>(input[0] % 4), .checksum_open = (input[1] & 1) != 0};
  std::memcpy(&offload.header_size, &input[2], 2);
  std::memcpy(&offload.segment_payload, &input[4], 2);
  std::memcpy(&offload.checksum_start, &input[6], 2);
  std::memcpy(&offload.checksum_offset, &input[8], 2);
  input = input.subspan(kOffloadBytes);
  Bytes bytes(input.size());
  if (!input.empty()) std::memcpy(bytes.data(), input.data(), input.size());
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = offload});
  if (!plan) return;
  check_segments(*plan, offload.cut != Cut::None);
  check_in_pieces(*plan, bytes, offload, 20 + offload.checksum_offset % 128u,
                  1 + offload.header_size % 256u);
}

/// Appends extension headers to an IPv6 header. False if they make the packet one of several
/// fragments.
bool append_chain(Bytes& bytes, std::uint8_t transport, std::span<const std::uint8_t>& input) {
  constexpr std::array<std::uint8_t, 7> kTypes{0, 43, 44, 60, 135, 139, 140};
  bool whole = true;
  std::size_t next_at = field::kIpv6NextHeader;
  for (std::size_t left = take_byte(input) % 8; left > 0; left--) {
    const std::uint8_t type = kTypes[take_byte(input) % kTypes.size()];
    const std::size_t units_more = type == 44 ? 0 : take_byte(input) % 8;
    Bytes header = take(input, 8 * (1 + units_more));
    header[1] = static_cast<std::byte>(units_more);
    if (type == 44 && (load16(&header[2]) & kIpv6FragmentMask) != 0) whole = false;
    bytes[next_at] = std::byte{type};
    next_at = bytes.size();
    bytes.insert(bytes.end(), header.begin(), header.end());
  }
  bytes[next_at] = std::byte{transport};
  return whole;
}

void cut_behind_chain(std::span<const std::uint8_t> input) {
  const std::size_t choice = take_byte(input);
  const bool udp = (choice & 1) != 0;
  const std::size_t header_min = udp ? kUdpHeaderBytes : kTcpHeaderBytesMin;
  const Bytes segment_payload = take(input, 2);
  Bytes bytes = take(input, kIpv6HeaderBytes);
  bytes[0] = std::byte{0x60};
  const bool whole = append_chain(bytes, udp ? kProtocolUdp : kProtocolTcp, input);
  const std::size_t start = bytes.size();
  const Bytes transport = take(input, std::max(input.size(), header_min));
  bytes.insert(bytes.end(), transport.begin(), transport.end());
  if (bytes.size() > kSuperPacketBytesMax) return;
  store16(&bytes[field::kIpv6PayloadLength], bytes.size() - kIpv6HeaderBytes);
  if (!udp) {
    const auto words = static_cast<std::byte>(5 + (choice >> 2) % 11);
    bytes[start + field::kTcpDataOffset] = words << 4;
    if (4 * std::to_integer<std::size_t>(words) > transport.size()) return;
  }
  const bool cut = (choice & 2) == 0;
  const Offload offload{.cut = !cut  ? Cut::None
                               : udp ? Cut::Udp
                                     : Cut::TcpV6,
                        .checksum_open = true,
                        .segment_payload = load16(segment_payload.data()),
                        .checksum_start = static_cast<std::uint16_t>(start),
                        .checksum_offset = static_cast<std::uint16_t>(udp ? field::kUdpChecksum
                                                                          : field::kTcpChecksum)};
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = offload});
  const bool fits = !cut || (whole && offload.segment_payload != 0);
  if (plan.has_value() != fits) std::abort();
  if (plan) check_segments(*plan, cut);
}

void check_order(const std::vector<InnerPacket>& given,
                 const std::vector<const std::byte*>& written) {
  std::vector<std::size_t> place;
  for (const InnerPacket& packet : given) {
    const std::byte* const begin = packet.bytes().data();
    const auto at = std::ranges::find_if(written, [&](const std::byte* piece) {
      return piece >= begin && piece < begin + packet.bytes().size();
    });
    if (at == written.end()) std::abort();
    place.push_back(static_cast<std::size_t>(at - written.begin()));
  }
  for (std::size_t j = 0; j < given.size(); j++) {
    for (std::size_t i = 0; i < j; i++) {
      if (ordered(given[i], given[j]) && place[i] > place[j]) std::abort();
    }
  }
}

void join(std::span<const std::uint8_t> input) {
  std::vector<Bytes> packets;
  while (input.size() >= 2) {
    const std::size_t size = std::min<std::size_t>(input[0] | input[1] << 8, input.size() - 2);
    Bytes& packet = packets.emplace_back(size);
    if (size > 0) std::memcpy(packet.data(), input.data() + 2, size);
    input = input.subspan(2 + size);
  }
  Counter counter;
  Joiner joiner(counter, true, true);
  std::vector<InnerPacket> given;
  for (Bytes& bytes : packets) {
    if (const auto packet = InnerPacket::parse(bytes)) given.push_back(*packet);
  }
  for (const InnerPacket& packet : given) joiner.add(packet);
  joiner.flush();
  if (counter.written != given.size() || counter.order.size() != given.size()) std::abort();
  if (given.size() <= 64) check_order(given, counter.order);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> input(data + 1, size - 1);
  if (data[0] % 3 == 0) {
    cut(input);
  } else if (data[0] % 3 == 1) {
    join(input);
  } else {
    cut_behind_chain(input);
  }
  return 0;
}
