#include "device/inbound.hpp"

#include <algorithm>
#include <utility>

#include "device/peer.hpp"
#include "settings/key_text.hpp"

namespace wg::device {
namespace {

/// Transport data around the smallest IP packet: nothing smaller is delivered.
constexpr std::size_t kSmallestDatagram =
    protocol::kTransportOverhead + 2 * protocol::kPaddingMultiple;

/// Trains that one run may hold: what is done with a packet depends on source and ECN.
bool same_way(const conn::ReceivedTrain& a, const conn::ReceivedTrain& b) noexcept {
  return a.ecn == b.ecn && a.source.identical(b.source);
}

}  // namespace

Inbound::Inbound(Context& context, Handshakes& handshakes, std::size_t shard,
                 boost::asio::io_context& executor, std::function<void()> resume)
    : context_(context),
      handshakes_(handshakes),
      shard_(shard),
      writing_(
          executor, [this](std::size_t slot) { write_batch(batches_[slot]); }, std::move(resume)),
      joiner_(*this, context.tun.takes_tcp(), context.tun.takes_udp()) {
  // What is not touched costs no memory.
  for (Batch& batch : batches_) {
    batch.room = std::make_unique_for_overwrite<std::byte[]>(conn::kReceiveRoom);
    batch.packets.reserve(conn::kReceiveRoom / kSmallestDatagram);
  }
}

std::span<std::byte> Inbound::room(boost::asio::io_context* helper) {
  const auto place = writing_.place();
  if (!place) return {};
  batch_ = &batches_[place->slot];
  helper_ = helper;
  alone_ = helper == nullptr && place->alone;
  return {batch_->room.get(), conn::kReceiveRoom};
}

std::size_t Inbound::receive(std::span<const conn::ReceivedTrain> trains, protocol::Instant now) {
  now_ = now;
  std::size_t bytes = 0;
  for (const conn::ReceivedTrain& train : trains) {
    receive_train(train);
    bytes += train.bytes.size();
  }
  finish_run();
  return bytes;
}

void Inbound::receive_train(const conn::ReceivedTrain& train) {
  if (train.bytes.empty()) return context_.drops.add(DropReason::OuterMalformed);
  if (run_.count > 0 && !same_way(*run_.train, train)) finish_run();
  for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
    const std::size_t size = std::min(train.segment_size, train.bytes.size() - at);
    const protocol::Message message = protocol::parse_message(train.bytes.subspan(at, size));
    if (const auto* data = std::get_if<protocol::TransportData>(&message)) {
      if (data->receiver != run_.receiver || run_.count == kRunPackets) finish_run();
      if (run_.count == 0) run_.train = &train;
      run_.receiver = data->receiver;
      run_.packets[run_.count++] = {.counter = data->counter,
                                    .source = data->sealed.data(),
                                    .target = data->sealed.data(),
                                    .size = data->sealed.size() - crypto::kTagBytes};
    } else if (const auto* initiation = std::get_if<const protocol::Initiation*>(&message)) {
      handshakes_.initiation(shard_, **initiation, train.source, now_);
    } else if (const auto* response = std::get_if<const protocol::Response*>(&message)) {
      handshakes_.response(**response, train.source);
    } else if (const auto* cookie = std::get_if<const protocol::CookieReply*>(&message)) {
      handshakes_.cookie_reply(**cookie);
    } else {
      context_.drops.add(DropReason::OuterMalformed);
    }
  }
}

void Inbound::finish_run() {
  const std::size_t count = std::exchange(run_.count, 0);
  if (count == 0) return;
  protocol::Session* const session = context_.indices.find(run_.receiver);
  const auto keypair = session != nullptr ? session->keypair_for(run_.receiver) : nullptr;
  if (!keypair) return context_.drops.add(DropReason::UnknownReceiver, count);
  Peer& peer = Peer::of(*session);

  const std::span train = std::span(run_.packets).first(count);
  keypair->receive_key.open(train);
  std::array<protocol::OpenedPacket, kRunPackets> opened;
  std::array<std::span<std::byte>, kRunPackets> plain;
  std::size_t authentic = 0;
  std::size_t bytes = 0;
  for (const crypto::OpenPacket& packet : train) {
    if (!packet.authentic) continue;
    opened[authentic] = {.counter = packet.counter, .data = packet.size > 0};
    plain[authentic++] = {packet.target, packet.size};
    bytes += packet.size + protocol::kTransportOverhead;
  }
  if (authentic < count) context_.drops.add(DropReason::BadTag, count - authentic, &peer.key());
  if (authentic == 0) return;

  const auto acceptance = session->accept(keypair, std::span(opened).first(authentic), now_);
  if (acceptance.any_fresh) {
    peer.count_received(bytes);
    peer.roam(run_.train->source);
    if (acceptance.confirmed) {
      peer.note_handshake();
      context_.log->debug("{}: keypair confirmed by its first packet, and current",
                          settings::peer_name(peer.key()));
      context_.staged_sender->send_staged(peer.shared_from_this());
    }
    if (acceptance.handshake_due) peer.request_handshake();
    peer.arm(acceptance.next);
  }
  for (std::size_t i = 0; i < authentic; i++) {
    if (!opened[i].fresh) {
      context_.drops.add(DropReason::Replayed, 1, &peer.key());
    } else if (opened[i].data) {
      deliver(peer, plain[i]);
    } else {
      context_.log->debug("{}: received keepalive", settings::peer_name(peer.key()));
    }
  }
}

void Inbound::deliver(Peer& peer, std::span<std::byte> plain) {
  auto packet = tun::InnerPacket::parse(plain);
  if (!packet) return context_.drops.add(DropReason::InnerInvalid, 1, &peer.key());
  // By longest prefix over all peers: else a peer could speak as another whose prefix is more
  // specific.
  if (context_.allowed_ips.find(packet->source()) != &peer) {
    return context_.drops.add(DropReason::SourceNotAllowed, 1, &peer.key());
  }
  if (run_.train->ecn == conn::Ecn::CongestionExperienced) {
    if (packet->ecn() == 0) {
      return context_.drops.add(DropReason::CongestionNotCapable, 1, &peer.key());
    }
    packet->mark_congestion();
  }
  if (alone_) {
    joiner_.add(*packet);
  } else {
    batch_->packets.push_back(*packet);
  }
}

void Inbound::flush() {
  if (alone_) {
    joiner_.flush();
  } else if (!batch_->packets.empty()) {
    writing_.pass_on(helper_);
  }
}

void Inbound::write_batch(Batch& batch) noexcept {
  for (const tun::InnerPacket& packet : batch.packets) joiner_.add(packet);
  joiner_.flush();
  batch.packets.clear();
}

void Inbound::write(std::span<const iovec> pieces, const tun::Offload& offload,
                    std::size_t packets) noexcept {
  if (!context_.tun.write(shard_, pieces, offload)) {
    context_.drops.add(DropReason::TunWriteFailed, packets);
  }
}

}  // namespace wg::device
