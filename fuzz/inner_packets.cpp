// Inner packets: parsing, cutting a super-packet, and joining what comes in. The input's first
// bytes are an offload; the rest is a super-packet, and then, cut by lengths in it, a series of
// packets for the joiner.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tun/joiner.hpp"
#include "tun/segment_plan.hpp"

using namespace wg::tun;

namespace {

using Bytes = std::vector<std::byte>;

/// Nothing may be lost or made up on the way through the joiner.
class Counter final : public Joiner::Sink {
 public:
  void write(std::span<const iovec> pieces, const Offload& offload,
             std::size_t packets) noexcept override {
    Bytes whole;
    for (const iovec& piece : pieces) {
      const auto* const bytes = static_cast<const std::byte*>(piece.iov_base);
      whole.insert(whole.end(), bytes, bytes + piece.iov_len);
    }
    if (whole.size() > kSuperPacketBytesMax || pieces.size() > 64) std::abort();
    const auto plan = SegmentPlan::make({.bytes = whole, .offload = offload});
    if (!plan || plan->count() != packets) std::abort();  // cut again, it is as many packets
    written += packets;
  }
  std::size_t written = 0;
};

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
  for (std::size_t i = 0; i < plan->count(); i++) {
    Bytes segment(plan->size(i));
    plan->write(i, segment.data());
    if (!InnerPacket::parse(segment)) std::abort();
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
  std::size_t given = 0;
  for (Bytes& bytes : packets) {
    if (const auto packet = InnerPacket::parse(bytes)) {
      joiner.add(*packet);
      given++;
    }
  }
  joiner.flush();
  if (counter.written != given) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> input(data + 1, size - 1);
  if (data[0] % 2 == 0) {
    cut(input);
  } else {
    join(input);
  }
  return 0;
}
