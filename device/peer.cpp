#include "device/peer.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "device/clock.hpp"
#include "settings/key_text.hpp"

namespace wg::device {
namespace {

using protocol::HandshakeError;

/// Handshake messages are sent with this traffic class, as by the kernel: AF41, so that they get
/// through when data jams.
constexpr std::uint8_t kHandshakeTrafficClass = 0x88;
/// Responses and cookie replies that may wait for one peer's strand.
constexpr unsigned kQueuedMessagesMax = 16;

thread_local std::size_t this_control_worker = 0;

std::string_view reason_of(HandshakeError error) noexcept {
  switch (error) {
    case HandshakeError::BadKey:
      return "it does not authenticate (wrong static or preshared key?)";
    case HandshakeError::Replayed:
      return "it is a replay";
    case HandshakeError::TooFrequent:
      return "it comes too soon after the last";
    case HandshakeError::Unexpected:
      return "it answers nothing of ours";
  }
  return "";
}

DropReason drop_of(HandshakeError error) noexcept {
  switch (error) {
    case HandshakeError::BadKey:
      return DropReason::HandshakeFailed;
    case HandshakeError::Replayed:
      return DropReason::HandshakeReplayed;
    case HandshakeError::TooFrequent:
      return DropReason::HandshakeTooFrequent;
    case HandshakeError::Unexpected:
      return DropReason::HandshakeUnexpected;
  }
  return DropReason::HandshakeFailed;
}

}  // namespace

std::size_t control_worker() noexcept {
  return this_control_worker;
}
void set_control_worker(std::size_t worker) noexcept {
  this_control_worker = worker;
}

Peer::Peer(Context& context, const crypto::PublicKey& key, std::uint64_t sequence)
    : context_(context),
      sequence_(sequence),
      strand_(boost::asio::make_strand(context.control)),
      session_(context.indices, key, this) {}

Peer::~Peer() {
  context_.wheel.disarm(*this);
}

Peer& Peer::of(protocol::Session& session) noexcept {
  return *static_cast<Peer*>(session.owner());
}

// ---- Endpoint and staged packets

conn::Endpoint Peer::endpoint() const {
  const std::lock_guard lock(shared_.mutex);
  return shared_.endpoint;
}

void Peer::roam(const conn::Endpoint& to) {
  std::optional<conn::Endpoint> moved;
  {
    const std::lock_guard lock(shared_.mutex);
    if (shared_.endpoint.identical(to)) return;
    const auto settled = context_.bind.settle(shared_.endpoint, to, weak_from_this());
    if (!(shared_.endpoint == settled)) moved = settled;
    shared_.endpoint = settled;
  }
  if (moved) {
    context_.log->debug("{}: endpoint is {}", settings::peer_name(key()), moved->text());
  }
}

void Peer::set_endpoint(const conn::Endpoint& endpoint) {
  const std::lock_guard lock(shared_.mutex);
  shared_.configured = endpoint;
  if (shared_.endpoint == endpoint) return;
  context_.bind.release(shared_.endpoint);
  shared_.endpoint = endpoint;
}

void Peer::forget_source() {
  const std::lock_guard lock(shared_.mutex);
  shared_.endpoint.clear_source();
}

void Peer::stage(std::span<const std::byte> inner_packet) {
  const std::lock_guard lock(shared_.mutex);
  if (!shared_.staged) shared_.staged = std::make_unique<std::deque<StagedPacket>>();
  if (shared_.staged->size() == kStagedPacketsMax) {
    shared_.staged->pop_front();
    context_.drops.add(DropReason::StagedOverflow, 1, &key());
  }
  shared_.staged->emplace_back(inner_packet.begin(), inner_packet.end());
}

std::deque<StagedPacket> Peer::take_staged() {
  const std::lock_guard lock(shared_.mutex);
  if (!shared_.staged) return {};
  return std::move(*std::exchange(shared_.staged, nullptr));
}

bool Peer::has_staged() const {
  const std::lock_guard lock(shared_.mutex);
  return shared_.staged != nullptr;
}

void Peer::drop_staged(DropReason reason) {
  const std::size_t count = take_staged().size();
  if (count > 0) context_.drops.add(reason, count, &key());
}

// ---- To the strand

template <class Work>
void Peer::on_strand(PeerPtr self, Work work) {
  const Strand strand = self->strand_;
  boost::asio::post(strand, [self = std::move(self), work = std::move(work)]() mutable {
    const auto pass = self->context_.gate.pass(control_worker());
    if (self->context_.up) work(*self);
  });
}

template <class Work>
void Peer::on_strand(Work work) {
  on_strand(shared_from_this(), std::move(work));
}

void Peer::request_handshake() {
  on_strand([](Peer& self) { self.initiate(); });
}

void Peer::request_keepalive() {
  on_strand([](Peer& self) { self.send_keepalive(); });
}

void Peer::on_initiation(protocol::ReceivedInitiation received, const conn::Endpoint& from) {
  on_strand([received = std::move(received), from](Peer& self) mutable {
    self.answer(std::move(received), from);
  });
}

void Peer::on_response(const protocol::Response& message, const conn::Endpoint& from) {
  if (queued_messages_.fetch_add(1) >= kQueuedMessagesMax) {
    queued_messages_--;
    return context_.drops.add(DropReason::HandshakeQueueFull, 1, &key());
  }
  on_strand([message, from](Peer& self) {
    self.queued_messages_--;
    self.finish(message, from);
  });
}

void Peer::on_cookie_reply(const protocol::CookieReply& message) {
  if (queued_messages_.fetch_add(1) >= kQueuedMessagesMax) {
    queued_messages_--;
    return context_.drops.add(DropReason::HandshakeQueueFull, 1, &key());
  }
  on_strand([message](Peer& self) {
    self.queued_messages_--;
    if (self.session_.consume(message, now())) {
      self.context_.log->debug("{}: took a cookie; the next initiation will carry it",
                               settings::peer_name(self.key()));
    } else {
      self.context_.drops.add(DropReason::HandshakeUnexpected, 1, &self.key());
    }
  });
}

void Peer::connection_lost(const conn::Endpoint& endpoint, bool can_be_dialled) {
  on_strand([endpoint, can_be_dialled](Peer& self) { self.call_anew(endpoint, can_be_dialled); });
}

void Peer::timer_fired() noexcept {
  // Called under the wheel's lock, from which a peer that ends must withdraw: so it still lives.
  // The reference goes with the work: the last one must not end here, under that lock.
  if (auto self = weak_from_this().lock()) {
    on_strand(std::move(self), [](Peer& peer) { peer.expire(); });
  }
}

// ---- On the strand

void Peer::send_message(protocol::ByteView message) {
  conn::Endpoint to = endpoint();
  if (!to.known()) return context_.drops.add(DropReason::NoEndpoint, 1, &key());
  const conn::OutgoingTrain train{
      .bytes = message, .segment_size = message.size(), .traffic_class = kHandshakeTrafficClass};
  const auto outcome = context_.bind.send(0, to, {&train, 1});
  if (outcome.source_forgotten) forget_source();
  if (outcome.failed_datagrams > 0) {
    context_.drops.add(DropReason::SendFailed, 1, &key());
    context_.log->debug("{}: cannot send to {}: {}", settings::peer_name(key()), to.text(),
                        Failure::system(outcome.error).text());
    return;
  }
  count_sent(message.size());
}

void Peer::initiate() {
  if (!context_.identity || session_.initiated_recently(now())) return;
  if (!endpoint().known()) {
    context_.log->debug("{}: no handshake: its endpoint is not known", settings::peer_name(key()));
    return context_.drops.add(DropReason::NoEndpoint, 1, &key());
  }
  const auto& local = context_.identity->keys;
  protocol::HandshakeSecrets secrets;
  const auto message = session_.initiate(local, now(), wall_now(), &secrets);
  if (!message) {
    context_.log->debug("{}: no handshake: its public key cannot be used",
                        settings::peer_name(key()));
    return;
  }
  if (context_.key_log) context_.key_log->write(local, secrets);
  context_.log->debug("{}: sending handshake initiation", settings::peer_name(key()));
  send_message(protocol::bytes_of(*message));
  arm(session_.next_deadline());
}

void Peer::answer(protocol::ReceivedInitiation received, conn::Endpoint from) {
  if (!context_.identity) return;
  const auto& local = context_.identity->keys;
  protocol::HandshakeSecrets secrets;
  const auto response = session_.respond(local, std::move(received), now(), &secrets);
  if (!response) {
    context_.drops.add(drop_of(response.error()), 1, &key());
    context_.log->debug("{}: handshake initiation refused: {}", settings::peer_name(key()),
                        reason_of(response.error()));
    return;
  }
  if (context_.key_log) context_.key_log->write(local, secrets);
  count_received(sizeof(protocol::Initiation));
  roam(from);
  context_.log->debug("{}: received handshake initiation, sending response",
                      settings::peer_name(key()));
  send_message(protocol::bytes_of(*response));
  arm(session_.next_deadline());
}

void Peer::finish(const protocol::Response& message, const conn::Endpoint& from) {
  if (!context_.identity) return;
  const auto finished = session_.finish(context_.identity->keys, message, now());
  if (!finished) {
    context_.drops.add(drop_of(finished.error()), 1, &key());
    context_.log->debug("{}: handshake response refused: {}", settings::peer_name(key()),
                        reason_of(finished.error()));
    return;
  }
  count_received(sizeof(protocol::Response));
  roam(from);
  context_.log->debug("{}: received handshake response, keypair is current",
                      settings::peer_name(key()));
  note_handshake();
  confirm_keypair();
  arm(session_.next_deadline());
}

void Peer::note_handshake() noexcept {
  last_handshake_ = wall_now().time_since_epoch().count();
}

/// The responder waits for a first packet: what is staged, or a keepalive.
void Peer::confirm_keypair() {
  if (has_staged()) {
    context_.staged_sender->send_staged(shared_from_this());
  } else {
    send_keepalive();
  }
}

/// The endpoint's connection is gone; false if there is no way to open another one. Under the lock.
bool Peer::leave_connection(bool can_be_dialled) {
  if (can_be_dialled) {
    shared_.endpoint.set_connection({});
  } else if (shared_.configured.known()) {
    shared_.endpoint = shared_.configured;
  } else {
    return false;
  }
  return true;
}

void Peer::call_anew(const conn::Endpoint& lost, bool can_be_dialled) {
  {
    const std::lock_guard lock(shared_.mutex);
    if (shared_.endpoint.connection() != lost.connection()) return;  // it speaks elsewhere already
    if (!leave_connection(can_be_dialled)) return;                   // the other side must call
  }
  if (!session_.current_keypair() && !has_staged()) return;  // nothing that needs the connection
  context_.log->debug("{}: its connection is lost, calling anew", settings::peer_name(key()));
  // The keepalive shows the way back at once, even while an initiation waits for its answer; the
  // handshake serves a peer that has lost the session, too.
  if (session_.current_keypair()) send_keepalive();
  initiate();
}

void Peer::send_keepalive() {
  const auto ticket = session_.prepare_send(1, protocol::Payload::Keepalive, now());
  if (ticket.handshake_due) initiate();
  if (ticket.keypair) {
    struct Keepalive {
      protocol::TransportDataHeader header;
      std::array<std::byte, crypto::kTagBytes> tag;
    } message{.header = {.receiver = ticket.keypair->remote_index, .counter = ticket.first_counter},
              .tag = {}};
    const crypto::SealPacket packet{.counter = ticket.first_counter,
                                    .source = message.tag.data(),
                                    .target = message.tag.data(),
                                    .size = 0};
    ticket.keypair->send_key.seal({&packet, 1});
    context_.log->debug("{}: sending keepalive", settings::peer_name(key()));
    send_message(protocol::bytes_of(message));
  }
  arm(session_.next_deadline());
}

void Peer::expire() {
  const protocol::DueTimers due = session_.expire(now());
  if (due.peer_unresponsive) {
    context_.log->debug("{}: no answer, trying again", settings::peer_name(key()));
    forget_source();
  }
  if (due.gave_up) {
    context_.log->debug("{}: no answer for {} s, giving up", settings::peer_name(key()),
                        protocol::kRekeyAttemptTime.count());
    drop_staged(DropReason::StagedGivenUp);
  }
  if (due.wipe) {
    context_.log->debug("{}: keys wiped, no handshake for {} s", settings::peer_name(key()),
                        protocol::kWipeAfterTime.count());
  }
  if (due.initiate) initiate();
  if (due.keepalive) send_keepalive();
  arm(session_.next_deadline());
}

// ---- Under the gate

settings::PeerState Peer::state() const {
  settings::PeerState state{
      .public_key = session_.remote(),
      .preshared_key = session_.preshared_key(),
      .endpoint = std::nullopt,
      .last_handshake = std::chrono::nanoseconds(last_handshake_.load()),
      .tx_bytes = tx_bytes_.load(),
      .rx_bytes = rx_bytes_.load(),
      .persistent_keepalive = static_cast<std::uint16_t>(session_.persistent_keepalive().count()),
      .allowed_ips = {}};
  if (const conn::Endpoint known = endpoint(); known.known()) state.endpoint = known.wg_text();
  for (const AllowedIp& allowed : allowed_ips) state.allowed_ips.push_back(allowed.prefix);
  return state;
}

void Peer::go_down() noexcept {
  session_.clear();
  context_.wheel.disarm(*this);
  drop_staged(DropReason::StagedGivenUp);
  const std::lock_guard lock(shared_.mutex);
  (void)leave_connection(!shared_.endpoint.connection().accepted);
}

void Peer::stop() noexcept {
  session_.close();
  go_down();
  const std::lock_guard lock(shared_.mutex);
  context_.bind.release(shared_.endpoint);
  context_.bind.release(shared_.configured);
}

}  // namespace wg::device
