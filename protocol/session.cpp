#include "protocol/session.hpp"

#include <algorithm>
#include <ostream>

namespace wg::protocol {

std::ostream& operator<<(std::ostream& out, HandshakeError error) {
  switch (error) {
    case HandshakeError::BadKey:
      return out << "bad key";
    case HandshakeError::Replayed:
      return out << "replayed";
    case HandshakeError::TooFrequent:
      return out << "too frequent";
    case HandshakeError::Unexpected:
      return out << "unexpected";
  }
  return out;
}

Session::Session(IndexRegistry& registry, const PublicKey& remote, SessionOwner& owner)
    : registry_(registry), remote_(remote), owner_(owner), cookies_(remote) {}

// ---- Data

namespace {

/// `then`, if it ever was, is less than Rekey-Timeout ago.
bool lately(Instant then, Instant now) noexcept {
  return then != Instant::min() && now - then < kRekeyTimeout;
}

}  // namespace

bool Session::DataState::can_send(Instant now) const noexcept {
  const KeypairPtr& current = keypairs.current();
  return current && !current->expired(now);
}

bool Session::DataState::want_handshake(Instant now) noexcept {
  // While an initiation is pending its own retransmission is on the way.
  if (closed || timers.initiation_pending()) return false;
  if (lately(last_handshake_wanted, now)) return false;
  last_handshake_wanted = now;
  handshake_wanted = true;
  return true;
}

SendTicket Session::prepare_send(std::size_t count, Payload payload, Instant now) noexcept {
  const Lock lock(data_.mutex);
  SendTicket ticket;
  const KeypairPtr& current = data_.keypairs.current();
  if (data_.can_send(now)) {
    if (const auto first = current->reserve(count)) {
      ticket.keypair = current;
      ticket.first_counter = *first;
    }
  }
  if (!ticket.keypair) {
    if (payload == Payload::Data) data_.timers.data_waiting();
    ticket.handshake_due = data_.want_handshake(now);
    ticket.next = data_.timers.next();
    return ticket;
  }
  const bool too_old =
      current->role == Role::Initiator && now - current->created >= kRekeyAfterTime;
  if (too_old || current->rekey_after_messages()) {
    ticket.handshake_due = data_.want_handshake(now);
  }
  SessionTimers& timers = data_.timers;
  timers.any_authenticated_traversal(now);
  timers.any_authenticated_sent();
  if (payload == Payload::Data) timers.data_sent(now);
  ticket.next = timers.next();
  return ticket;
}

KeypairPtr Session::keypair_for(ReceiverIndex local) const noexcept {
  const Lock lock(data_.mutex);
  return data_.keypairs.find(local);
}

Acceptance Session::accept(const KeypairPtr& keypair, std::span<OpenedPacket> packets,
                           Instant now) noexcept {
  const Lock lock(data_.mutex);
  Acceptance acceptance;
  // The keypair may have been wiped or have expired while the train was being opened.
  if (!data_.keypairs.holds(*keypair) || keypair->expired(now)) return acceptance;

  bool any_data = false;
  for (OpenedPacket& packet : packets) {
    packet.fresh = keypair->replay_window.accept(packet.counter);
    acceptance.any_fresh |= packet.fresh;
    any_data |= packet.fresh && packet.data;
  }
  if (!acceptance.any_fresh) return acceptance;

  SessionTimers& timers = data_.timers;
  if (data_.keypairs.confirm(*keypair)) {
    acceptance.confirmed = true;
    timers.handshake_complete();
  }
  timers.any_authenticated_received();
  timers.any_authenticated_traversal(now);
  if (any_data) timers.data_received(now);
  // Only the current keypair: an old one's age must not cause a handshake when a newer one exists.
  if (keypair == data_.keypairs.current() && keypair->role == Role::Initiator &&
      now - keypair->created >= kRekeyAfterTimeReceiving) {
    acceptance.handshake_due = data_.want_handshake(now);
  }
  acceptance.next = timers.next();
  return acceptance;
}

// ---- Handshakes

const SharedSecret* Session::static_static(const LocalIdentity& local) noexcept {
  if (!static_static_ || !(static_static_->local == local.public_key)) {
    static_static_.reset();
    const auto secret = crypto::agree(local.private_key, remote_);
    if (!secret) return nullptr;
    static_static_ = std::make_unique<StaticStatic>(local.public_key, *secret);
  }
  return &static_static_->secret;
}

std::optional<Initiation> Session::initiate(const LocalIdentity& local, Instant now, WallTime wall,
                                            HandshakeSecrets* secrets) noexcept {
  const SharedSecret* const secret = static_static(local);
  if (secret == nullptr) return std::nullopt;
  {
    const Lock lock(data_.mutex);
    if (data_.closed) return std::nullopt;
    data_.last_handshake_wanted = data_.last_initiation = now;
    data_.handshake_wanted = false;
    data_.timers.any_authenticated_traversal(now);
    data_.timers.any_authenticated_sent();
    data_.timers.initiation_sent(now);
  }
  IndexLease lease(registry_, *this);
  Initiation message;
  auto initiation = PendingInitiation::begin(
      StaticKeys{.local = local, .remote = remote_, .static_static = *secret}, lease.index(),
      stamps_.next(wall), message);
  if (!initiation) return std::nullopt;
  if (secrets != nullptr) {
    *secrets = {.remote_static = remote_,
                .local_ephemeral = initiation->ephemeral(),
                .preshared = preshared_};
  }
  pending_.reset();  // the ephemeral and the index of an initiation that this one replaces
  pending_.emplace(std::move(*initiation), std::move(lease));
  cookies_.sign(message, now);
  return message;
}

std::expected<Response, HandshakeError> Session::respond(const LocalIdentity& local,
                                                         ReceivedInitiation received, Instant now,
                                                         HandshakeSecrets* secrets) noexcept {
  const SharedSecret* const secret = static_static(local);
  if (secret == nullptr) return std::unexpected(HandshakeError::BadKey);
  const auto stamp = received.authenticate(*secret);
  if (!stamp) return std::unexpected(HandshakeError::BadKey);
  if (last_stamp_ && *stamp <= *last_stamp_) return std::unexpected(HandshakeError::Replayed);
  if (last_initiation_received_ != Instant::min() &&
      now - last_initiation_received_ < kInitiationIntervalMin) {
    return std::unexpected(HandshakeError::TooFrequent);
  }
  last_stamp_ = *stamp;
  last_initiation_received_ = now;
  {
    const Lock lock(data_.mutex);
    if (data_.closed) return std::unexpected(HandshakeError::Unexpected);
  }

  IndexLease lease(registry_, *this);
  Response message;
  const ReceiverIndex remote_index = received.sender();
  const PrivateKey ephemeral = crypto::generate_private_key();
  if (secrets != nullptr) {
    *secrets = {.remote_static = remote_, .local_ephemeral = ephemeral, .preshared = preshared_};
  }
  const auto keys = received.respond(preshared_, lease.index(), ephemeral, message);
  if (!keys) return std::unexpected(HandshakeError::BadKey);
  cookies_.sign(message, now);
  auto keypair =
      std::make_shared<Keypair>(*keys, Role::Responder, std::move(lease), remote_index, now);
  const Lock lock(data_.mutex);
  if (data_.closed) return std::unexpected(HandshakeError::Unexpected);
  data_.add(std::move(keypair), now);
  data_.timers.any_authenticated_received();
  data_.timers.any_authenticated_traversal(now);
  data_.timers.any_authenticated_sent();
  return message;
}

std::expected<void, HandshakeError> Session::finish(const LocalIdentity& local,
                                                    const Response& message, Instant now) noexcept {
  if (!pending_ || pending_->lease.index() != message.receiver) {
    return std::unexpected(HandshakeError::Unexpected);
  }
  const auto keys = pending_->initiation.finish(local, preshared_, message);
  if (!keys) return std::unexpected(HandshakeError::BadKey);
  auto keypair = std::make_shared<Keypair>(*keys, Role::Initiator, std::move(pending_->lease),
                                           message.sender, now);
  pending_.reset();
  const Lock lock(data_.mutex);
  if (data_.closed) return std::unexpected(HandshakeError::Unexpected);
  data_.add(std::move(keypair), now);
  data_.timers.handshake_complete();
  data_.timers.any_authenticated_received();
  data_.timers.any_authenticated_traversal(now);
  return {};
}

void Session::DataState::add(KeypairPtr keypair, Instant now) noexcept {
  keypairs.add(std::move(keypair));
  handshake_wanted = false;
  timers.session_derived(now);
}

bool Session::consume(const CookieReply& reply, Instant now) noexcept {
  return cookies_.consume(reply, now);
}

DueTimers Session::expire(Instant now) noexcept {
  DueTimers due;
  {
    const Lock lock(data_.mutex);
    due = data_.timers.expire(now);
    if (due.wipe) data_.keypairs.clear();
  }
  if (due.gave_up || due.wipe) pending_.reset();
  return due;
}

// ---- Settings

bool Session::set_persistent_keepalive(std::chrono::seconds interval, Instant now) noexcept {
  const Lock lock(data_.mutex);
  const bool turned_on = data_.timers.persistent_keepalive().count() == 0 && interval.count() > 0;
  data_.timers.set_persistent_keepalive(interval, now);
  return turned_on;
}

std::chrono::seconds Session::persistent_keepalive() const noexcept {
  const Lock lock(data_.mutex);
  return data_.timers.persistent_keepalive();
}

void Session::persistent_keepalive_now(Instant now) noexcept {
  const Lock lock(data_.mutex);
  data_.timers.persistent_keepalive_now(now);
}

void Session::want_handshake(bool staged, Instant now) noexcept {
  const Lock lock(data_.mutex);
  if (data_.closed) return;
  data_.handshake_wanted = true;
  if (staged) data_.timers.handshake_impossible(now);
}

bool Session::handshake_wanted() const noexcept {
  const Lock lock(data_.mutex);
  return data_.handshake_wanted;
}

void Session::identity_changed() noexcept {
  clear();
  static_static_.reset();
}

void Session::endpoint_changed() noexcept {
  const Lock lock(data_.mutex);
  data_.forget_attempts();
}

void Session::clear() noexcept {
  pending_.reset();
  const Lock lock(data_.mutex);
  data_.keypairs.clear();
  data_.timers.stop();
  data_.forget_attempts();
  data_.handshake_wanted = false;
}

void Session::close() noexcept {
  clear();
  const Lock lock(data_.mutex);
  data_.closed = true;
}

// ---- Looking

Instant Session::next_deadline() const noexcept {
  const Lock lock(data_.mutex);
  return data_.timers.next();
}

bool Session::initiated_recently(Instant now) const noexcept {
  const Lock lock(data_.mutex);
  return data_.timers.initiation_pending() && lately(data_.last_initiation, now);
}

Instant Session::unanswered_since() const noexcept {
  const Lock lock(data_.mutex);
  return data_.timers.unanswered_since();
}

bool Session::can_send(Instant now) const noexcept {
  const Lock lock(data_.mutex);
  return data_.can_send(now);
}

KeypairPtr Session::current_keypair() const noexcept {
  const Lock lock(data_.mutex);
  return data_.keypairs.current();
}

}  // namespace wg::protocol
