#include "device/device.hpp"

#include <pthread.h>

#include <algorithm>

#include "device/clock.hpp"
#include "settings/key_text.hpp"

namespace wg::device {

Device::Device(ShardThreads& shards, tun::Tun& tun, conn::Bind& bind, DeviceOptions options,
               std::shared_ptr<spdlog::logger> log)
    : shard_threads_(shards),
      control_work_(control_.get_executor()),
      context_(bind, tun, control_, shards.size() + options.control_threads, std::move(log)),
      handshakes_(context_, *this, shards.size()),
      control_threads_(options.control_threads) {
  context_.key_log = std::move(options.key_log);
  context_.staged_sender = this;
  for (std::size_t i = 0; i < shards.size(); i++) {
    shards_.push_back(std::make_unique<Shard>(context_, handshakes_, shards, i, options.help));
  }
}

Device::~Device() {
  stop();
}

void Device::start() {
  for (std::size_t i = 0; i < control_threads_; i++) {
    control_pool_.emplace_back([this, worker = shard_threads_.size() + i] {
      set_control_worker(worker);
      control_.run();
    });
    ::pthread_setname_np(control_pool_.back().native_handle(),
                         ("control-" + std::to_string(i)).c_str());
  }
  shard_threads_.start();
  for (const auto& shard : shards_) shard->start_tun();
}

void Device::stop() {
  set_down();
  context_.wheel.stop();
  shard_threads_.stop();
  control_.stop();
  for (std::thread& thread : control_pool_) thread.join();
  control_pool_.clear();
  remove_all_peers();
  // Handlers that were still queued hold peers, which need the context to end.
  control_.restart();
  control_.poll();
}

// ---- Link

Result<void> Device::set_up() {
  {
    const auto exclusive = context_.gate.exclusive();
    if (context_.up) return {};
    auto port = context_.bind.open(listen_port_);
    if (!port) return std::unexpected(port.error().during("listen-port {}", listen_port_));
    listen_port_ = *port;
    context_.up = true;
  }
  if (listen_port_ != 0) {
    context_.log->info("interface is up, listening on port {}", listen_port_);
  } else {
    context_.log->info("interface is up, and does not listen: it only dials");
  }
  for (const auto& shard : shards_) shard->start_bind();
  for (const auto& [key, peer] : peers_) {
    if (peer->session().persistent_keepalive().count() > 0) peer->request_keepalive();
  }
  return {};
}

void Device::set_down() {
  const auto exclusive = context_.gate.exclusive();
  if (!context_.up) return;
  context_.up = false;
  context_.bind.close();
  for (const auto& [key, peer] : peers_) peer->go_down();
  context_.log->info("interface is down");
}

void Device::set_mtu(std::size_t mtu) {
  if (context_.mtu.exchange(mtu) != mtu) context_.log->debug("MTU is {}", mtu);
}

// ---- Settings

Result<void> Device::apply(const settings::Settings& settings) {
  if (auto checked = check_endpoints(settings); !checked) return checked;
  if (auto applied = apply_port_and_mark(settings); !applied) return applied;
  if (settings.private_key) apply_private_key(*settings.private_key);
  if (settings.replace_peers) remove_all_peers();
  for (std::size_t done = 0; done < settings.peers.size(); done += kPeersPerSlice) {
    const auto exclusive = context_.gate.exclusive();
    const std::size_t end = std::min(done + kPeersPerSlice, settings.peers.size());
    for (std::size_t i = done; i < end; i++) apply_peer(settings.peers[i]);
  }
  return {};
}

Result<void> Device::check_endpoints(const settings::Settings& settings) const {
  for (const settings::PeerSettings& peer : settings.peers) {
    if (!peer.endpoint) continue;
    if (const auto wrong = endpoint_error(*peer.endpoint)) {
      return std::unexpected(
          Failure(std::error_code(EINVAL, std::system_category()), *wrong)
              .during("{}: endpoint {}", settings::peer_name(peer.public_key), *peer.endpoint));
    }
  }
  return {};
}

std::optional<std::string> Device::endpoint_error(std::string_view text) const {
  if (const auto endpoint = context_.bind.parse_endpoint(text); !endpoint) return endpoint.error();
  return std::nullopt;
}

Result<void> Device::apply_port_and_mark(const settings::Settings& settings) {
  if (!settings.listen_port && !settings.fwmark) return {};
  {
    const auto exclusive = context_.gate.exclusive();
    if (settings.fwmark) {
      if (auto marked = context_.bind.set_mark(*settings.fwmark); !marked) {
        return std::unexpected(marked.error().during("fwmark {:#x}", *settings.fwmark));
      }
    }
    if (settings.listen_port && context_.up) {
      auto port = context_.bind.open(*settings.listen_port);
      if (!port) {
        if (settings.fwmark) (void)context_.bind.set_mark(fwmark_);
        return std::unexpected(port.error()
                                   .during("listen-port {}", *settings.listen_port)
                                   .hint("choose another port, or stop the program that has it"));
      }
      listen_port_ = *port;
    } else if (settings.listen_port) {
      listen_port_ = *settings.listen_port;  // bound when the interface comes up
    }
    if (settings.fwmark) fwmark_ = *settings.fwmark;
    forget_sources();
    if (!context_.up) return {};
  }
  for (const auto& shard : shards_) shard->start_bind();
  return {};
}

void Device::forget_sources() {
  for (const auto& [key, peer] : peers_) peer->forget_source();
}

void Device::apply_private_key(const crypto::PrivateKey& key) {
  const auto exclusive = context_.gate.exclusive();
  if (key.is_zero()) {
    if (!context_.identity) return;
    context_.identity.reset();
  } else {
    crypto::PrivateKey clamped = key;
    crypto::clamp(clamped);
    if (context_.identity && context_.identity->keys.private_key == clamped) return;
    context_.identity = std::make_unique<Identity>(clamped);
    remove_peer(context_.identity->keys.public_key);  // nobody is a peer of oneself
  }
  for (const auto& [peer_key, peer] : peers_) {
    peer->session().identity_changed();
    call_if_waiting(*peer);
  }
}

void Device::apply_peer(const settings::PeerSettings& settings) {
  if (context_.identity && settings.public_key == context_.identity->keys.public_key) return;
  if (settings.remove) return remove_peer(settings.public_key);
  PeerPtr peer = find_peer(settings.public_key);
  if (!peer) {
    if (settings.update_only) return;
    peer = std::make_shared<Peer>(context_, settings.public_key, next_sequence_++);
    peers_.emplace(settings.public_key, peer);
    context_.log->debug("{}: added", settings::peer_name(settings.public_key));
  }
  if (settings.preshared_key) peer->session().set_preshared_key(*settings.preshared_key);
  if (settings.endpoint) peer->set_endpoint(*context_.bind.parse_endpoint(*settings.endpoint));
  apply_allowed_ips(*peer, settings);
  if (settings.persistent_keepalive) {
    const std::chrono::seconds interval(*settings.persistent_keepalive);
    const bool turned_on = peer->session().set_persistent_keepalive(interval, now());
    peer->arm(peer->session().next_deadline());  // sooner than before, perhaps
    if (turned_on && context_.up) peer->request_keepalive();
  }
  call_if_waiting(*peer);
}

/// What was staged while the key or the endpoint was missing need not wait for the next packet.
void Device::call_if_waiting(Peer& peer) {
  if (context_.up && context_.identity && peer.has_staged()) peer.request_handshake();
}

void Device::apply_allowed_ips(Peer& peer, const settings::PeerSettings& settings) {
  if (settings.replace_allowed_ips) context_.allowed_ips.withdraw_all(peer.allowed_ips);
  for (const settings::AllowedIpChange& change : settings.allowed_ips) {
    if (change.withdraw) {
      context_.allowed_ips.withdraw(change.prefix, peer);
    } else {
      context_.allowed_ips.assign(change.prefix, peer, peer.allowed_ips);
    }
  }
}

void Device::end_peer(Peer& peer) {
  context_.allowed_ips.withdraw_all(peer.allowed_ips);
  peer.stop();
  context_.log->debug("{}: removed", settings::peer_name(peer.key()));
}

void Device::remove_peer(const crypto::PublicKey& key) {
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  end_peer(*found->second);
  peers_.erase(found);
}

void Device::remove_all_peers() {
  for (auto it = peers_.begin(); it != peers_.end();) {
    const auto exclusive = context_.gate.exclusive();
    for (std::size_t i = 0; i < kPeersPerSlice && it != peers_.end(); i++) {
      end_peer(*it->second);
      peers_.erase(it++);
    }
  }
}

// ---- Looking

settings::InterfaceState Device::interface_state() const {
  settings::InterfaceState state;
  state.listen_port = listen_port_;
  state.fwmark = fwmark_;
  if (context_.identity) state.private_key = context_.identity->keys.private_key;
  return state;
}

std::vector<crypto::PublicKey> Device::peers() const {
  std::vector<const Peer*> ordered;
  ordered.reserve(peers_.size());
  for (const auto& [key, peer] : peers_) ordered.push_back(peer.get());
  std::ranges::sort(ordered, {}, &Peer::sequence);
  std::vector<crypto::PublicKey> keys;
  keys.reserve(ordered.size());
  for (const Peer* peer : ordered) keys.push_back(peer->key());
  return keys;
}

std::optional<settings::PeerState> Device::peer_state(const crypto::PublicKey& key) const {
  const PeerPtr peer = find_peer(key);
  if (!peer) return std::nullopt;
  return peer->state();
}

PeerPtr Device::find_peer(const crypto::PublicKey& key) const {
  const auto found = peers_.find(key);
  return found == peers_.end() ? nullptr : found->second;
}

void Device::send_staged(PeerPtr peer) {
  shards_[0]->send_staged(peer);
}

}  // namespace wg::device
