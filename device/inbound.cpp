#include "device/inbound.hpp"

#include <algorithm>
#include <utility>

#include "device/peer.hpp"
#include "settings/key_text.hpp"

namespace wg::device {
namespace {

/// Trains that one run may hold: what is done with a packet depends on source and ECN.
bool same_way(const conn::ReceivedTrain& a, const conn::ReceivedTrain& b) noexcept {
  return a.ecn == b.ecn && a.source.identical(b.source);
}

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};

}  // namespace

std::size_t Inbound::receive(const Tables& tables, std::span<const conn::ReceivedTrain> trains,
                             protocol::Instant now) {
  now_ = now;
  std::size_t bytes = 0;
  for (const conn::ReceivedTrain& train : trains) {
    receive_train(tables, train);
    bytes += train.bytes.size();
  }
  finish_run(tables);
  handshakes_.flush(tables, shard_);
  return bytes;
}

void Inbound::receive_train(const Tables& tables, const conn::ReceivedTrain& train) {
  if (train.bytes.empty()) return context_.drops.add(DropReason::OuterMalformed);
  if (run_.count > 0 && !same_way(*run_.train, train)) finish_run(tables);
  for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
    const std::size_t size = std::min(train.segment_size, train.bytes.size() - at);
    std::visit(Match{[&](const protocol::TransportData& data) { take(tables, train, data); },
                     [&](const protocol::Initiation* message) {
                       handshakes_.initiation(tables, shard_, *message, train.source, now_);
                     },
                     [&](const protocol::Response* message) {
                       handshakes_.response(tables, shard_, *message, train.source, now_);
                     },
                     [&](const protocol::CookieReply* message) {
                       handshakes_.cookie_reply(*message, now_);
                     },
                     [&](std::monostate) { context_.drops.add(DropReason::OuterMalformed); }},
               protocol::parse_message(train.bytes.subspan(at, size)));
  }
}

void Inbound::take(const Tables& tables, const conn::ReceivedTrain& train,
                   const protocol::TransportData& data) {
  if (data.receiver != run_.receiver || run_.count == kRunPackets) finish_run(tables);
  if (run_.count == 0) run_.train = &train;
  run_.receiver = data.receiver;
  run_.packets[run_.count++] = {.counter = data.counter,
                                .source = data.sealed.data(),
                                .target = data.sealed.data(),
                                .size = data.sealed.size() - crypto::kTagBytes};
}

void Inbound::finish_run(const Tables& tables) {
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
  for (const crypto::OpenPacket& packet : train) {
    if (!packet.authentic) continue;
    opened[authentic] = {.counter = packet.counter, .data = packet.size > 0};
    plain[authentic++] = {packet.target, packet.size};
  }
  if (authentic < count) context_.drops.add(DropReason::BadTag, count - authentic, &peer.key());
  if (authentic == 0) return;

  const auto acceptance = session->accept(keypair, std::span(opened).first(authentic), now_);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < authentic; i++) {
    if (opened[i].fresh) bytes += plain[i].size() + protocol::kTransportOverhead;
  }
  if (acceptance.any_fresh) {
    peer.count_received(bytes);
    peer.roam(tables, run_.train->source);
    if (acceptance.confirmed) {
      peer.note_handshake();
      context_.log().debug("{}: keypair confirmed by its first packet, and current",
                           settings::peer_name(peer.key()));
      context_.wiring.staged_sender.send_staged(peer.shared_from_this());
    }
    if (acceptance.handshake_due) peer.request_handshake();
    peer.arm(acceptance.next);
  }
  for (std::size_t i = 0; i < authentic; i++) {
    if (!opened[i].fresh) {
      context_.drops.add(DropReason::Replayed, 1, &peer.key());
    } else if (opened[i].data) {
      deliver(tables, peer, plain[i]);
    } else {
      context_.log().debug("{}: received keepalive", settings::peer_name(peer.key()));
    }
  }
}

void Inbound::deliver(const Tables& tables, Peer& peer, std::span<std::byte> plain) {
  auto packet = tun::InnerPacket::parse(plain);
  if (!packet) return context_.drops.add(DropReason::InnerInvalid, 1, &peer.key());
  // By longest prefix over all peers: else a peer could speak as another whose prefix is more
  // specific.
  if (tables.allowed_ips.find(packet->source()) != &peer) {
    return context_.drops.add(DropReason::SourceNotAllowed, 1, &peer.key());
  }
  if (run_.train->ecn == conn::Ecn::CongestionExperienced) {
    if (packet->ecn() == 0) {
      return context_.drops.add(DropReason::CongestionNotCapable, 1, &peer.key());
    }
    packet->mark_congestion();
  }
  writer_.add(*packet);
}

}  // namespace wg::device
