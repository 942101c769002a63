#include "device/device.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>

#include "device/clock.hpp"
#include "settings/key_text.hpp"

namespace wg::device {

Device::Device(ShardThreads& shards, tun::Tun& tun, conn::Bind& bind, DeviceOptions options,
               std::shared_ptr<spdlog::logger> log)
    : shard_threads_(shards),
      control_work_(control_.get_executor()),
      // One worker more: whoever ends the device runs what is left.
      context_(bind, shards.size() + options.control_threads + 1,
               Wiring{.tun = tun,
                      .control = control_,
                      .staged_sender = *this,
                      .key_log = std::move(options.key_log),
                      .log = std::move(log)}),
      handshakes_(context_, shards.size()),
      control_threads_(options.control_threads),
      vitals_(std::move(options.vitals)) {
  for (std::size_t i = 0; i < shards.size(); i++) {
    shards_.push_back(std::make_unique<Shard>(context_, handshakes_, shards, i, options.pipeline));
  }
}

Device::~Device() {
  stop();
}

void Device::start() {
  for (std::size_t i = 0; i < control_threads_; i++) {
    control_pool_.emplace_back([this] {
      context_.gate.enter();
      control_.run();
    });
    ::pthread_setname_np(control_pool_.back().native_handle(),
                         ("control-" + std::to_string(i)).c_str());
  }
  shard_threads_.start([this] { context_.gate.enter(); });
  for (const auto& shard : shards_) shard->start_tun();
}

void Device::stop() {
  if (std::exchange(stopped_, true)) return;
  set_down();
  context_.wheel.stop();
  shard_threads_.stop();
  control_.stop();
  const bool ran = !control_pool_.empty();
  for (std::thread& thread : control_pool_) thread.join();
  control_pool_.clear();
  remove_all_peers();
  if (!ran) return;  // no thread could be started, and nothing is queued
  // Handlers that were still queued hold peers, which need the context to end.
  std::thread([this] {
    context_.gate.enter();
    control_.restart();
    control_.poll();
  }).join();
}

// ---- Link

/// Opens the bind, or another port of it.
Result<void> Device::open_bind(Tables& tables, std::uint16_t port) {
  const auto opened = tables.bind.open(port);
  if (!opened) {
    const Failure failure = opened.error().during("listen-port {}", port);
    const int reason = failure.code().value();
    if (reason == EACCES) {
      return std::unexpected(failure.hint("a port below 1024 needs CAP_NET_BIND_SERVICE"));
    }
    if (reason != EADDRINUSE) return std::unexpected(failure);
    return std::unexpected(failure.hint("choose another port, or stop the program that has it"));
  }
  listen_port_ = *opened;
  tables.up = true;
  context_.own_traffic.set_port(tables.bind.udp_port());
  return {};
}

void Device::bind_opened() {
  for (const auto& shard : shards_) shard->start_bind();
}

Result<void> Device::set_up() {
  link_up_ = true;
  if (up()) return {};
  {
    const auto exclusive = context_.gate.exclusive();
    if (auto opened = open_bind(*exclusive, listen_port_); !opened) return opened;
  }
  if (listen_port_ != 0) {
    context_.log().info("interface is up, listening on port {}", listen_port_);
  } else {
    context_.log().info("interface is up, and does not listen: it only dials");
  }
  bind_opened();
  retry_handshakes();
  return {};
}

void Device::set_down() {
  link_up_ = false;
  if (!up()) return;
  {
    const auto exclusive = context_.gate.exclusive();
    exclusive->up = false;
    exclusive->bind.close();
    context_.own_traffic.set_port(0);
  }
  SlicedChange change(context_.gate);
  for (const auto& [key, peer] : view().peers) peer->go_down(change.next());
  context_.log().info("interface is down");
}

/// After the link has come up, or our key has changed.
void Device::retry_handshakes() {
  for (const auto& [key, peer] : view().peers) peer->retry_handshake();
}

void Device::set_mtu(std::size_t mtu) {
  if (context_.mtu.exchange(mtu) != mtu) context_.log().debug("MTU is {}", mtu);
}

void Device::recheck_sources(const std::function<bool(const conn::Endpoint&)>& still_right) {
  for (const auto& [key, peer] : view().peers) {
    const conn::Endpoint endpoint = peer->endpoint();
    if (!endpoint.has_source() || still_right(endpoint)) continue;
    peer->forget_source();
    context_.log().debug("{}: the way to {} has changed, its source address is forgotten",
                         settings::peer_name(key), endpoint.text());
  }
}

// ---- Settings

Result<void> Device::apply(const settings::Settings& settings) {
  const auto endpoints = parse_endpoints(settings);
  if (!endpoints) return std::unexpected(endpoints.error());
  if (auto applied = apply_port_and_mark(settings); !applied) return applied;
  if (settings.private_key) apply_private_key(*settings.private_key);
  if (settings.replace_peers) remove_all_peers();
  if (settings.peers.empty()) return {};
  std::vector<PeerPtr> may_call;
  {
    SlicedChange change(context_.gate);
    for (std::size_t i = 0; i < settings.peers.size(); i++) {
      auto changed = apply_peer(change.next(), settings.peers[i], (*endpoints)[i]);
      if (changed) may_call.push_back(std::move(changed));
    }
  }
  if (!up()) return {};
  for (const PeerPtr& peer : may_call) peer->retry_handshake();
  return {};
}

Result<std::vector<conn::Endpoint>> Device::parse_endpoints(
    const settings::Settings& settings) const {
  std::vector<conn::Endpoint> endpoints(settings.peers.size());
  for (std::size_t i = 0; i < endpoints.size(); i++) {
    const settings::PeerSettings& peer = settings.peers[i];
    if (!peer.endpoint) continue;
    auto parsed = view().bind.parse_endpoint(*peer.endpoint);
    if (!parsed) {
      return std::unexpected(
          Failure(std::error_code(EINVAL, std::system_category()), parsed.error())
              .during("{}: endpoint {}", settings::peer_name(peer.public_key), *peer.endpoint));
    }
    endpoints[i] = *parsed;
  }
  return endpoints;
}

std::optional<std::string> Device::endpoint_error(std::string_view text) const {
  if (const auto endpoint = view().bind.parse_endpoint(text); !endpoint) return endpoint.error();
  return std::nullopt;
}

Result<void> Device::apply_port_and_mark(const settings::Settings& settings) {
  if (!settings.listen_port && !settings.fwmark) return {};
  const bool was_up = up();
  {
    const auto exclusive = context_.gate.exclusive();
    if (settings.fwmark) {
      if (auto marked = exclusive->bind.set_mark(*settings.fwmark); !marked) {
        return std::unexpected(marked.error().during("fwmark {:#x}", *settings.fwmark));
      }
    }
    if (settings.listen_port && link_up_) {
      if (auto opened = open_bind(*exclusive, *settings.listen_port); !opened) {
        if (settings.fwmark) (void)exclusive->bind.set_mark(fwmark_);
        return opened;
      }
    } else if (settings.listen_port) {
      listen_port_ = *settings.listen_port;  // bound when the link comes up
    }
  }
  if (settings.fwmark) fwmark_ = *settings.fwmark;
  forget_sources();
  if (up()) bind_opened();
  if (!was_up && up()) {
    context_.log().info("interface is up, listening on port {}", listen_port_);
    retry_handshakes();
  }
  return {};
}

void Device::forget_sources() {
  for (const auto& [key, peer] : view().peers) peer->forget_source();
}

void Device::apply_private_key(const crypto::PrivateKey& key) {
  {
    const auto exclusive = context_.gate.exclusive();
    if (key.is_zero()) {
      if (!exclusive->identity) return;
      exclusive->identity.reset();
    } else {
      crypto::PrivateKey clamped = key;
      crypto::clamp(clamped);
      if (exclusive->identity && exclusive->identity->keys.private_key == clamped) return;
      exclusive->identity = std::make_unique<Identity>(clamped);
      remove_peer(*exclusive, exclusive->identity->keys.public_key);  // nobody is one's own peer
    }
  }
  {
    SlicedChange change(context_.gate);
    for (const auto& [peer_key, peer] : view().peers) {
      (void)change.next();
      peer->session().identity_changed();
    }
  }
  if (up()) retry_handshakes();
}

PeerPtr Device::apply_peer(Tables& tables, const settings::PeerSettings& settings,
                           const conn::Endpoint& endpoint) {
  if (tables.identity && settings.public_key == tables.identity->keys.public_key) return nullptr;
  if (settings.remove) {
    remove_peer(tables, settings.public_key);
    return nullptr;
  }
  PeerPtr peer = tables.find_peer(settings.public_key);
  const bool is_new = !peer;
  if (is_new) {
    if (settings.update_only) return nullptr;
    peer = std::make_shared<Peer>(context_, settings.public_key, next_sequence_++);
    tables.peers.emplace(settings.public_key, peer);
    context_.log().debug("{}: added", settings::peer_name(settings.public_key));
  }
  bool may_call = is_new;
  if (settings.preshared_key) peer->session().set_preshared_key(*settings.preshared_key);
  if (endpoint.known()) {
    const bool known_before = peer->endpoint().known();
    peer->set_endpoint(tables, endpoint);
    may_call |= !known_before;
  }
  apply_allowed_ips(tables, *peer, settings);
  if (settings.persistent_keepalive) {
    const std::chrono::seconds interval(*settings.persistent_keepalive);
    may_call |= peer->session().set_persistent_keepalive(interval, now());
    peer->arm(peer->session().next_deadline());  // sooner than before, perhaps
  }
  // What was staged while the endpoint was missing, or while a call to another one goes
  // unanswered, need not wait for the next packet.
  may_call |= endpoint.known() && peer->has_staged();
  return may_call ? peer : nullptr;
}

void Device::apply_allowed_ips(Tables& tables, Peer& peer, const settings::PeerSettings& settings) {
  if (settings.replace_allowed_ips) tables.allowed_ips.withdraw_all(peer.allowed_ips);
  for (const settings::AllowedIpChange& change : settings.allowed_ips) {
    if (change.withdraw) {
      tables.allowed_ips.withdraw(change.prefix, peer);
    } else {
      tables.allowed_ips.assign(change.prefix, peer, peer.allowed_ips);
    }
  }
}

void Device::end_peer(Tables& tables, Peer& peer) {
  tables.allowed_ips.withdraw_all(peer.allowed_ips);
  peer.stop(tables);
  context_.log().debug("{}: removed", settings::peer_name(peer.key()));
}

void Device::remove_peer(Tables& tables, const crypto::PublicKey& key) {
  const auto found = tables.peers.find(key);
  if (found == tables.peers.end()) return;
  end_peer(tables, *found->second);
  tables.peers.erase(found);
}

void Device::remove_all_peers() {
  if (view().peers.empty()) return;
  SlicedChange change(context_.gate);
  PeersByKey& peers = change.next().peers;
  for (auto it = peers.begin(); it != peers.end();) {
    end_peer(change.next(), *it->second);
    peers.erase(it++);
  }
}

// ---- Looking

std::uint64_t Device::dropped(DropReason reason) const noexcept {
  const std::uint64_t counted = context_.drops.of(reason);
  return reason == DropReason::SendFailed ? counted + view().bind.lost_later() : counted;
}

settings::Vitals Device::vitals() const {
  settings::Vitals vitals = vitals_;
  vitals.threads = shards_.size();
  for (const auto& [key, peer] : view().peers) {
    const protocol::Instant since = peer->session().unanswered_since();
    if (since == protocol::kNever) continue;
    vitals.unanswered.push_back(
        {.peer = key, .time = std::chrono::duration_cast<std::chrono::seconds>(now() - since)});
  }
  for (const DropRow& row : kDropRows) {
    vitals.drops.push_back({.reason = std::string(row.name), .packets = dropped(row.reason)});
  }
  return vitals;
}

settings::InterfaceState Device::interface_state() const {
  settings::InterfaceState state;
  state.listen_port = listen_port_;
  state.fwmark = fwmark_;
  if (view().identity) state.private_key = view().identity->keys.private_key;
  return state;
}

std::vector<crypto::PublicKey> Device::peers() const {
  std::vector<const Peer*> ordered;
  ordered.reserve(view().peers.size());
  for (const auto& [key, peer] : view().peers) ordered.push_back(peer.get());
  std::ranges::sort(ordered, {}, &Peer::sequence);
  std::vector<crypto::PublicKey> keys;
  keys.reserve(ordered.size());
  for (const Peer* peer : ordered) keys.push_back(peer->key());
  return keys;
}

std::optional<settings::PeerState> Device::peer_state(const crypto::PublicKey& key) const {
  const PeerPtr peer = view().find_peer(key);
  if (!peer) return std::nullopt;
  return peer->state();
}

void Device::send_staged(PeerPtr peer) {
  shards_[0]->send_staged(peer);
}

}  // namespace wg::device
