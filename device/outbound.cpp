#include "device/outbound.hpp"

#include <cerrno>
#include <cstring>

#include "device/clock.hpp"
#include "device/peer.hpp"
#include "settings/key_text.hpp"

namespace wg::device {

Outbound::Outbound(Context& context, std::size_t shard)
    : context_(context),
      shard_(shard),
      mtu_(context.mtu),
      wire_(std::make_unique_for_overwrite<std::byte[]>(kBatchBytes)) {}

void Outbound::add(const Tables& tables, const tun::SuperPacket& packet) {
  const auto plan = tun::SegmentPlan::make(packet);
  if (!plan) return context_.drops.add(DropReason::InnerMalformed);
  Peer* const peer = tables.allowed_ips.find(plan->packet().destination());
  if (peer == nullptr) return context_.drops.add(DropReason::NoAllowedIp, plan->count());
  if (context_.own_traffic.is_ours(plan->packet())) return drop_own(*peer, plan->count());
  // Outside, ECN is what it is inside and DSCP is not shown, as with the kernel's WireGuard (RFC
  // 6040).
  const std::uint8_t ecn = plan->packet().ecn();
  for (std::size_t i = 0; i < plan->count(); i++) {
    plan->write(i, append(tables, *peer, plan->size(i), ecn));
  }
}

void Outbound::add_staged(const Tables& tables, Peer& peer,
                          std::span<const std::byte> inner_packet) {
  std::byte* const plain = append(tables, peer, inner_packet.size(), 0);
  std::memcpy(plain, inner_packet.data(), inner_packet.size());
  const auto packet = tun::InnerPacket::parse({plain, inner_packet.size()});
  if (packet) datagrams_[count_ - 1].ecn = packet->ecn();
}

std::byte* Outbound::append(const Tables& tables, Peer& peer, std::size_t size, std::uint8_t ecn) {
  const std::size_t room = size + protocol::kPaddingMultiple + protocol::kTransportOverhead;
  if (peer_ != &peer || count_ == kBatchPackets || used_ + room > kBatchBytes) {
    flush(tables);
    peer_ = &peer;
    mtu_ = context_.mtu.load(std::memory_order_relaxed);
  }
  const std::size_t padded = protocol::padded_size(size, mtu_);
  datagrams_[count_++] = {.offset = used_, .padded = padded, .inner = size, .ecn = ecn};
  std::byte* const plain = wire_.get() + used_ + sizeof(protocol::TransportDataHeader);
  std::memset(plain + size, 0, padded - size);
  used_ += padded + protocol::kTransportOverhead;
  return plain;
}

void Outbound::flush(const Tables& tables) {
  if (count_ == 0) return;
  const protocol::Instant time = now();
  if (peer_->has_staged() && peer_->session().can_send(time)) return flush_behind_staged(tables);
  const auto ticket = peer_->session().prepare_send(count_, protocol::Payload::Data, time);
  if (ticket.keypair) {
    seal_all(ticket.keypair, ticket.first_counter);
    send_all(tables);
  } else {
    stage_all();
  }
  if (ticket.handshake_due) peer_->request_handshake();
  peer_->arm(ticket.next);
  clear();
}

void Outbound::clear() {
  peer_ = nullptr;
  count_ = 0;
  used_ = 0;
}

/// A session has come about since these were staged, and they are older: they go first.
void Outbound::flush_behind_staged(const Tables& tables) {
  Peer& peer = *peer_;
  auto waiting = peer.take_staged();
  for (const Datagram& datagram : std::span(datagrams_).first(count_)) {
    const auto packet = inner_packet(datagram);
    waiting.emplace_back(packet.begin(), packet.end());
  }
  clear();
  for (const StagedPacket& packet : waiting) add_staged(tables, peer, packet);
  flush(tables);
}

std::span<const std::byte> Outbound::inner_packet(const Datagram& datagram) const {
  return {wire_.get() + datagram.offset + sizeof(protocol::TransportDataHeader), datagram.inner};
}

/// Said once a minute at most, and not only at debug level: it is a mistake in the host's routes.
void Outbound::drop_own(Peer& peer, std::size_t packets) {
  context_.drops.add(DropReason::RoutingLoop, packets, &peer.key());
  constexpr std::chrono::minutes kBetweenLines{1};
  if (now() - loop_told_ < kBetweenLines) return;
  loop_told_ = now();
  context_.log().error(
      "{}: the route to an endpoint leads into the tunnel itself: what we send there comes back, "
      "and is dropped; give the endpoint a route of its own, or a mark (fwmark) to the interface",
      settings::peer_name(peer.key()));
}

void Outbound::stage_all() {
  for (const Datagram& datagram : std::span(datagrams_).first(count_)) {
    peer_->stage(inner_packet(datagram));
  }
}

void Outbound::seal_all(const protocol::KeypairPtr& keypair, std::uint64_t first_counter) {
  std::array<protocol::PlainMessage, kBatchPackets> messages;
  for (std::size_t i = 0; i < count_; i++) {
    messages[i] = {.message = wire_.get() + datagrams_[i].offset,
                   .plain_bytes = datagrams_[i].padded};
  }
  keypair->seal(first_counter, std::span(messages).first(count_));
}

void Outbound::send_all(const Tables& tables) {
  std::array<conn::OutgoingTrain, kBatchPackets> trains;
  std::size_t train_count = 0;
  std::size_t segments = 0;  // of the train being gathered
  for (std::size_t i = 0; i < count_; i++) {
    const Datagram& datagram = datagrams_[i];
    const std::size_t size = datagram.padded + protocol::kTransportOverhead;
    conn::OutgoingTrain* const last = train_count > 0 ? &trains[train_count - 1] : nullptr;
    // A shorter datagram ends its train: what the kernel cuts is equal but for the last.
    const bool fits = last != nullptr && size <= last->segment_size &&
                      last->bytes.size() == segments * last->segment_size &&
                      last->traffic_class == datagram.ecn && segments < conn::kTrainSegmentsMax &&
                      last->bytes.size() + size <= conn::kTrainBytesMax;
    if (fits) {
      last->bytes = {last->bytes.data(), last->bytes.size() + size};
      segments++;
    } else {
      trains[train_count++] = {.bytes = {wire_.get() + datagram.offset, size},
                               .segment_size = size,
                               .traffic_class = datagram.ecn};
      segments = 1;
    }
  }
  conn::Endpoint to = peer_->endpoint();
  if (!to.known()) return context_.drops.add(DropReason::NoEndpoint, count_, &peer_->key());
  const auto outcome = tables.bind.send(shard_, to, std::span(trains).first(train_count));
  peer_->count_sent(used_ - outcome.failed_bytes);
  if (outcome.source_forgotten) peer_->forget_source();
  if (outcome.failed_datagrams > 0) {
    context_.drops.add(DropReason::SendFailed, outcome.failed_datagrams, &peer_->key());
    if (outcome.error == ENOTCONN) peer_->note_refused(to);
    if (now() - failure_told_ < std::chrono::seconds(1)) return;
    failure_told_ = now();
    context_.log().debug("{}: cannot send {} datagrams to {}: {}",
                         settings::peer_name(peer_->key()), outcome.failed_datagrams, to.text(),
                         Failure::system(outcome.error).text());
  }
}

}  // namespace wg::device
