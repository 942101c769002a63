#include "device/inner_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "protocol/messages.hpp"
#include "tun/segment_plan.hpp"

namespace wg::device {
namespace {

/// Transport data around a bare IPv4 header without padding: nothing smaller is delivered.
constexpr std::size_t kSmallestDatagram = protocol::kTransportOverhead + 20;

bool is_v6(const tun::Gathered& packet) noexcept {
  const auto* const first = static_cast<const std::byte*>(packet.pieces.front().iov_base);
  return (std::to_integer<unsigned>(*first) >> 4) == 6;
}

}  // namespace

InnerWriter::InnerWriter(Context& context, const ShardThreads& threads, std::size_t shard,
                         PipelineMode mode, std::function<void()> resume)
    : context_(context),
      shard_(shard),
      pipeline_(
          threads.context(shard), [this](std::size_t slot) { write_batch(batches_[slot]); },
          std::move(resume)),
      control_(context.wiring.tun.properties().any_thread_writes ? mode : PipelineMode::Never,
               threads, shard, context.log()),
      joiner_(*this, context.wiring.tun.properties().takes_tcp,
              context.wiring.tun.properties().takes_udp) {
  // What is not touched costs no memory.
  for (Batch& batch : batches_) {
    batch.room = std::make_unique_for_overwrite<std::byte[]>(conn::kReceiveRoom);
    batch.packets.reserve(conn::kReceiveRoom / kSmallestDatagram);
  }
}

std::span<std::byte> InnerWriter::room() {
  const auto place = pipeline_.place();
  if (!place) return {};
  batch_ = &batches_[place->slot];
  directly_ = control_.writer() == nullptr && place->alone;
  return {batch_->room.get(), conn::kReceiveRoom};
}

void InnerWriter::add(const tun::InnerPacket& packet) {
  if (directly_) {
    joiner_.add(packet);
  } else {
    batch_->packets.push_back(packet);
  }
}

void InnerWriter::flush(std::size_t bytes, protocol::Instant now) {
  if (directly_) {
    joiner_.flush();
    write_gathered();
  } else if (!batch_->packets.empty()) {
    pipeline_.pass_on(control_.writer());
  }
  if (bytes > 0) control_.after_batch(bytes, now);
}

// ---- The last step

void InnerWriter::write_batch(Batch& batch) noexcept {
  for (const tun::InnerPacket& packet : batch.packets) joiner_.add(packet);
  joiner_.flush();
  write_gathered();
  batch.packets.clear();
}

/// Gathers; the pieces' list is copied, since the joiner's is good for this call only.
void InnerWriter::write(std::span<const iovec> pieces, const tun::Offload& offload,
                        std::size_t packets) noexcept {
  if (gathered_count_ == kWritePackets || pieces_count_ + pieces.size() > kWritePieces) {
    write_gathered();
  }
  const auto copy = std::span(pieces_).subspan(pieces_count_, pieces.size());
  std::ranges::copy(pieces, copy.begin());
  pieces_count_ += pieces.size();
  for (const iovec& piece : pieces) gathered_bytes_ += piece.iov_len;
  gathered_[gathered_count_++] = {.pieces = copy, .offload = offload, .packets = packets};
  if (gathered_bytes_ >= kWriteBytes) write_gathered();
}

void InnerWriter::write_gathered() noexcept {
  auto left = std::span<const tun::Gathered>(gathered_).first(gathered_count_);
  while (!left.empty()) {
    const tun::Written written = context_.wiring.tun.write(shard_, left);
    for (const tun::Gathered& packet : left.first(written.packets)) {
      if (packet.packets > 1) kind_of(packet).taken = true;
    }
    left = left.subspan(written.packets);
    if (left.empty()) break;
    refused(left.front(), written.error);
    left = left.subspan(1);
  }
  gathered_count_ = gathered_bytes_ = pieces_count_ = 0;
}

InnerWriter::Kind& InnerWriter::kind_of(const tun::Gathered& packet) noexcept {
  return kinds_[(packet.offload.cut == tun::Cut::Udp ? 2 : 0) + (is_v6(packet) ? 1 : 0)];
}

void InnerWriter::refused(const tun::Gathered& packet, int error) noexcept {
  if (packet.packets == 1 || error != EINVAL) {
    return context_.drops.add(DropReason::TunWriteFailed, packet.packets);
  }
  write_apart(packet);
  Kind& kind = kind_of(packet);
  if (kind.taken || ++kind.refused != kRefusalsMax) return;
  const bool tcp = packet.offload.cut != tun::Cut::Udp;
  joiner_.stop_joining(tcp, is_v6(packet));
  context_.log().info(
      "the kernel refuses joined packets of {} over {} (EINVAL): they are written one by one",
      tcp ? "TCP" : "UDP", is_v6(packet) ? "IPv6" : "IPv4");
}

/// Cuts what was joined again, as a kernel would.
void InnerWriter::write_apart(const tun::Gathered& packet) noexcept {
  if (!apart_room_) {
    apart_room_ = std::make_unique_for_overwrite<std::byte[]>(2 * tun::kSuperPacketBytesMax);
  }
  std::byte* end = apart_room_.get();
  for (const iovec& piece : packet.pieces) {
    end = std::copy_n(static_cast<const std::byte*>(piece.iov_base), piece.iov_len, end);
  }
  const auto plan =
      tun::SegmentPlan::make({.bytes = {apart_room_.get(), end}, .offload = packet.offload});
  if (!plan) return context_.drops.add(DropReason::TunWriteFailed, packet.packets);
  for (std::size_t i = 0; i < plan->count(); i++) {
    plan->write(i, end);
    const iovec whole{end, plan->size(i)};
    const tun::Gathered alone{.pieces = {&whole, 1}, .offload = {}, .packets = 1};
    if (context_.wiring.tun.write(shard_, {&alone, 1}).packets == 0) {
      context_.drops.add(DropReason::TunWriteFailed);
    }
  }
}

}  // namespace wg::device
