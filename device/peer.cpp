#include "device/peer.hpp"

#include <boost/asio/post.hpp>
#include <cassert>
#include <utility>

#include "device/clock.hpp"
#include "device/peer_events.hpp"
#include "settings/key_text.hpp"

namespace wg::device {
namespace {

using protocol::Event;

/// Handshake messages are sent with this traffic class, as by the kernel: AF41, so that they get
/// through when data jams. Keepalives are data.
constexpr std::uint8_t kHandshakeTrafficClass = 0x88;
constexpr std::uint8_t kDataTrafficClass = 0;

}  // namespace

Peer::Peer(Context& context, const crypto::PublicKey& key, std::uint64_t sequence)
    : context_(context),
      sequence_(sequence),
      strand_(boost::asio::make_strand(context.wiring.control)),
      conversation_(context.indices, key, *this) {}

Peer::~Peer() {
  context_.wheel.disarm(*this);
}

// ---- Endpoint and staged packets

conn::Endpoint Peer::endpoint() const {
  const Lock lock(shared_.mutex);
  return shared_.endpoint;
}

void Peer::move_to(const conn::Endpoint& endpoint) {
  context_.own_traffic.moved(shared_.endpoint, endpoint);
  shared_.endpoint = endpoint;
}

void Peer::roam(const Tables& tables, const conn::Endpoint& to) {
  std::optional<conn::Endpoint> moved;
  {
    const Lock lock(shared_.mutex);
    if (shared_.endpoint.identical(to)) return;
    const auto next = tables.bind.roam_to(shared_.endpoint, to, weak_from_this());
    if (!(shared_.endpoint == next)) moved = next;
    move_to(next);
  }
  if (moved) {
    context_.log().debug("{}: endpoint is {}", settings::peer_name(key()), moved->text());
  }
}

void Peer::set_endpoint(Tables& tables, const conn::Endpoint& endpoint) {
  const Lock lock(shared_.mutex);
  const conn::Endpoint before = std::exchange(shared_.configured, endpoint);
  const auto next = tables.bind.after_setting(shared_.endpoint, before, endpoint);
  if (before.known() && !(before == endpoint)) tables.bind.release(before);
  if (shared_.endpoint == next) return;
  tables.bind.release(shared_.endpoint);
  move_to(next);
  session().endpoint_changed();
}

void Peer::forget_source() {
  const Lock lock(shared_.mutex);
  shared_.endpoint.clear_source();
}

void Peer::stage(std::span<const std::byte> inner_packet) {
  const std::size_t size = inner_packet.size();
  if (context_.staged_bytes.fetch_add(size, std::memory_order_relaxed) + size > kStagedBytesMax) {
    context_.staged_bytes.fetch_sub(size, std::memory_order_relaxed);
    return context_.drops.add(DropReason::StagedOverflow, 1, &key());
  }
  const Lock lock(shared_.mutex);
  if (!shared_.staged) shared_.staged = std::make_unique<std::deque<StagedPacket>>();
  if (shared_.staged->size() == kStagedPacketsMax) {
    context_.staged_bytes.fetch_sub(shared_.staged->front().size(), std::memory_order_relaxed);
    shared_.staged->pop_front();
    context_.drops.add(DropReason::StagedOverflow, 1, &key());
  }
  shared_.staged->emplace_back(inner_packet.begin(), inner_packet.end());
}

std::deque<StagedPacket> Peer::take_staged() {
  const Lock lock(shared_.mutex);
  if (!shared_.staged) return {};
  for (const StagedPacket& packet : *shared_.staged) {
    context_.staged_bytes.fetch_sub(packet.size(), std::memory_order_relaxed);
  }
  return std::move(*std::exchange(shared_.staged, nullptr));
}

bool Peer::has_staged() const {
  const Lock lock(shared_.mutex);
  return shared_.staged != nullptr;
}

void Peer::drop_staged(DropReason reason) {
  const std::size_t count = take_staged().size();
  if (count > 0) context_.drops.add(reason, count, &key());
}

bool Peer::leave_connection(const Tables& tables) {
  const auto next = tables.bind.after_loss(shared_.endpoint, shared_.configured);
  if (next.known()) move_to(next);
  return next.known();
}

// ---- To the strand

template <class Work, class Skipped>
void Peer::on_strand(PeerPtr self, Work work, Skipped skipped) {
  const Strand strand = self->strand_;
  boost::asio::post(strand, [self = std::move(self), work = std::move(work),
                             skipped = std::move(skipped)]() mutable {
    const auto pass = self->context_.gate.pass();
    if (pass->up) {
      work(*self, *pass);
    } else {
      skipped(*self);
    }
  });
}

template <class Work>
void Peer::on_strand(PeerPtr self, Work work) {
  // Nothing is lost: what is wanted stays wanted, and is asked for again when the link comes up.
  on_strand(std::move(self), std::move(work), [](Peer&) {});
}

void Peer::request_handshake() {
  on_strand(shared_from_this(), [](Peer& self, const Tables& tables) {
    self.converse(tables, [&](const auto& now) { return self.conversation_.call(now); });
  });
}

void Peer::retry_handshake() {
  const bool persistent = session().persistent_keepalive().count() > 0;
  if (!persistent && !conversation_.wants_handshake() && !has_staged()) return;
  on_strand(shared_from_this(), [persistent](Peer& self, const Tables& tables) {
    self.converse(tables, [&](const auto& now) {
      return persistent ? self.conversation_.keepalive(now) : self.conversation_.call(now);
    });
  });
}

void Peer::on_initiation(protocol::ReceivedInitiation received, const conn::Endpoint& from) {
  on_strand(
      shared_from_this(),
      [received = std::move(received), from](Peer& self, const Tables& tables) mutable {
        const auto take = [&](const auto& now) {
          return self.conversation_.take(std::move(received), now);
        };
        self.converse(tables, take, &from, sizeof(protocol::Initiation));
      },
      [](Peer& self) { self.context_.drops.add(DropReason::InterfaceDown, 1, &self.key()); });
}

bool Peer::on_response(const protocol::Response& message, const conn::Endpoint& from, Proof proof) {
  auto place = (proof == Proof::Valid ? proven_responses_ : unproven_responses_).take();
  if (!place) return false;
  on_strand(
      shared_from_this(),
      [message, from, place = std::move(*place)](Peer& self, const Tables& tables) {
        const auto take = [&](const auto& now) { return self.conversation_.take(message, now); };
        self.converse(tables, take, &from, sizeof(protocol::Response));
      },
      [](Peer& self) { self.context_.drops.add(DropReason::InterfaceDown, 1, &self.key()); });
  return true;
}

void Peer::on_cookie_reply(const protocol::CookieReply& message, protocol::Instant now) {
  for (const Event event : conversation_.take(message, now).events) tell(event);
}

void Peer::connection_lost(const conn::Endpoint& endpoint, bool) {
  on_strand(shared_from_this(),
            [endpoint](Peer& self, const Tables& tables) { self.reconnect(tables, endpoint); });
}

void Peer::note_refused(const conn::Endpoint& to) {
  if (refusal_noted_.exchange(true)) return;  // one of a batch's many
  on_strand(
      shared_from_this(),
      [to](Peer& self, const Tables& tables) {
        self.refusal_noted_ = false;
        self.reconnect(tables, to);
      },
      [](Peer& self) { self.refusal_noted_ = false; });
}

void Peer::timer_fired() noexcept {
  // Called under the wheel's lock, from which a peer that ends must withdraw: so it still lives.
  // The reference goes with the work: the last one must not end here, under that lock.
  if (auto self = weak_from_this().lock()) {
    on_strand(std::move(self), [](Peer& peer, const Tables& tables) {
      peer.converse(tables, [&](const auto& now) { return peer.conversation_.due(now); });
    });
  }
}

// ---- On the strand

void Peer::reconnect(const Tables& tables, const conn::Endpoint& endpoint) {
  assert(strand_.running_in_this_thread());
  {
    const Lock lock(shared_.mutex);
    if (!shared_.endpoint.identical(endpoint)) return;  // it is reached elsewhere already
    if (!leave_connection(tables)) return;              // the other side must call
  }
  converse(tables, [&](const auto& now) { return conversation_.connection_lost(now); });
}

template <class Call>
void Peer::converse(const Tables& tables, Call call, const conn::Endpoint* from,
                    std::size_t bytes) {
  assert(strand_.running_in_this_thread());
  std::optional<protocol::HandshakeSecrets> secrets;
  if (context_.wiring.key_log) secrets.emplace();
  const protocol::Situation situation{.local = tables.identity ? &tables.identity->keys : nullptr,
                                      .reachable = tables.bind.reachable(endpoint()),
                                      .staged = has_staged(),
                                      .now = now(),
                                      .wall = wall_now(),
                                      .secrets = secrets ? &*secrets : nullptr};
  const protocol::Actions actions = call(situation);
  if (secrets && (actions.has(Event::InitiationSent) || actions.has(Event::ResponseSent))) {
    context_.wiring.key_log->write(*situation.local, *secrets);
  }
  carry_out(tables, actions, from, bytes);
}

void Peer::carry_out(const Tables& tables, const protocol::Actions& actions,
                     const conn::Endpoint* from, std::size_t bytes) {
  assert(strand_.running_in_this_thread());
  for (const Event event : actions.events) tell(event);
  if (actions.authentic) {
    count_received(bytes);
    roam(tables, *from);
  }
  if (actions.has(Event::Established)) note_handshake();
  if (actions.forget_source) forget_source();
  for (const protocol::OutgoingMessage& message : actions.messages) {
    const bool data = std::holds_alternative<protocol::Keepalive>(message);
    send_message(tables, protocol::bytes_of(message),
                 data ? kDataTrafficClass : kHandshakeTrafficClass);
  }
  switch (actions.staged) {
    case protocol::StagedPackets::Keep:
      break;
    case protocol::StagedPackets::Send:
      context_.wiring.staged_sender.send_staged(shared_from_this());
      break;
    case protocol::StagedPackets::Drop:
      drop_staged(DropReason::StagedGivenUp);
      break;
  }
  arm(actions.next);
}

void Peer::tell(Event event) {
  const EventTold what = told(event);
  if (what.drop) context_.drops.add(*what.drop, 1, &key());
  if (!what.text.empty()) {
    context_.log().debug("{}: {}", settings::peer_name(key()), what.text);
  }
}

void Peer::send_message(const Tables& tables, protocol::ByteView message,
                        std::uint8_t traffic_class) {
  assert(strand_.running_in_this_thread());
  conn::Endpoint to = endpoint();
  if (!to.known()) return context_.drops.add(DropReason::NoEndpoint, 1, &key());
  const conn::OutgoingTrain train{
      .bytes = message, .segment_size = message.size(), .traffic_class = traffic_class};
  const auto outcome = tables.bind.send(0, to, {&train, 1});
  if (outcome.source_forgotten) forget_source();
  if (outcome.failed_datagrams == 0) return count_sent(message.size());
  context_.drops.add(DropReason::SendFailed, 1, &key());
  if (outcome.error == ENOTCONN) note_refused(to);
  context_.log().debug("{}: cannot send to {}: {}", settings::peer_name(key()), to.text(),
                       Failure::system(outcome.error).text());
}

void Peer::note_handshake() noexcept {
  last_handshake_ = wall_now().time_since_epoch().count();
}

// ---- Under the gate

settings::PeerState Peer::state() const {
  settings::PeerState state{
      .public_key = key(),
      .preshared_key = session().preshared_key(),
      .endpoint = std::nullopt,
      .last_handshake = std::chrono::nanoseconds(last_handshake_.load()),
      .tx_bytes = tx_bytes_.load(),
      .rx_bytes = rx_bytes_.load(),
      .persistent_keepalive = static_cast<std::uint16_t>(session().persistent_keepalive().count()),
      .allowed_ips = {}};
  if (const conn::Endpoint known = endpoint(); known.known()) state.endpoint = known.wg_text();
  for (const AllowedIp& allowed : allowed_ips) state.allowed_ips.push_back(allowed.prefix);
  return state;
}

void Peer::go_down(Tables& tables) noexcept {
  session().clear();
  context_.wheel.disarm(*this);
  drop_staged(DropReason::StagedGivenUp);
  const Lock lock(shared_.mutex);
  (void)leave_connection(tables);
}

void Peer::stop(Tables& tables) noexcept {
  session().close();
  go_down(tables);
  tables.bind.forget(*this);
  const Lock lock(shared_.mutex);
  tables.bind.release(shared_.endpoint);
  tables.bind.release(shared_.configured);
  move_to({});
}

}  // namespace wg::device
