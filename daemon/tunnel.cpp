#include "daemon/tunnel.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>

#include "daemon/log.hpp"

namespace wg::daemon {

Tunnel::Tunnel(const Options& options, std::shared_ptr<spdlog::logger> log)
    : log_(std::move(log)),
      signals_(main_, SIGTERM, SIGINT, SIGHUP),
      poll_(main_),
      shards_(options.threads) {}

Tunnel::~Tunnel() {
  // New settings and link changes first, then the packets, then the ends themselves.
  server_.reset();
  link_.reset();
  if (device_) device_->stop();
}

Result<std::unique_ptr<Tunnel>> Tunnel::open(const Options& options,
                                             std::shared_ptr<spdlog::logger> log) {
  std::unique_ptr<Tunnel> tunnel(new Tunnel(options, std::move(log)));
  auto bind = conn::make_bind(options.network, tunnel->shards_.contexts(), tunnel->log_);
  if (!bind) return std::unexpected(bind.error());
  tunnel->bind_ = std::move(*bind);
  if (auto opened = tunnel->open_tun(options); !opened) return std::unexpected(opened.error());

  device::DeviceOptions device_options{
      .control_threads = std::max<std::size_t>(1, options.threads / 2),
      .help = options.help,
      .key_log = nullptr};
  if (!options.key_log.empty()) {
    auto key_log = device::KeyLog::open(options.key_log);
    if (!key_log) return std::unexpected(key_log.error());
    device_options.key_log = std::move(*key_log);
    tunnel->log_->info("the secrets of handshakes are written to {}", options.key_log);
  }
  tunnel->device_ = std::make_unique<device::Device>(tunnel->shards_, *tunnel->tun_, *tunnel->bind_,
                                                     std::move(device_options), tunnel->log_);
  if (auto opened = tunnel->open_uapi(options); !opened) return std::unexpected(opened.error());
  tunnel->device_->start();
  if (auto followed = tunnel->follow_link(); !followed) return std::unexpected(followed.error());
  tunnel->wait_for_signals();
  return tunnel;
}

Result<void> Tunnel::open_tun(const Options& options) {
  const auto contexts = shards_.contexts();
  auto tun = options.tun_fd ? tun::KernelTun::adopt(Descriptor(*options.tun_fd), contexts)
                            : tun::KernelTun::create(options.interface, contexts);
  if (!tun) {
    return std::unexpected(options.tun_fd ? tun.error().during("WG_TUN_FD={}", *options.tun_fd)
                                          : tun.error().during("{}", options.interface));
  }
  tun_ = std::move(*tun);
  const tun::TunFeatures& features = tun_->features();
  log_->debug("{}", aead_text());
  log_->debug("TUN {}: {} queues, vnet header {}, TSO {}, USO {}", tun_->name(), tun_->queues(),
              features.vnet_header, features.tso, features.uso);
  if (options.tun_fd) return {};
  auto link = netlink::Link::open(main_, tun_->name());
  if (!link) return std::unexpected(link.error());
  return (*link)->set_mtu(kMtu);
}

Result<void> Tunnel::open_uapi(const Options& options) {
  auto server = options.uapi_fd ? uapi::Server::adopt(main_, Descriptor(*options.uapi_fd))
                                : uapi::Server::listen(main_, uapi::socket_path(tun_->name()));
  if (!server) {
    return std::unexpected(options.uapi_fd
                               ? server.error().during("WG_UAPI_FD={}", *options.uapi_fd)
                               : server.error().during("{}", tun_->name()));
  }
  server_ = std::move(*server);
  server_->serve(*device_, log_, [this] { end("its socket was removed"); });
  return {};
}

// ---- The interface's life

Result<void> Tunnel::follow_link() {
  auto link = netlink::Link::open(main_, tun_->name());
  if (!link) {  // an inherited descriptor's interface may be in another namespace from the start
    link_left();
    return {};
  }
  link_ = std::move(*link);
  auto state = link_->state();
  if (!state) return std::unexpected(state.error());
  link_changed(*state);
  link_->watch([this](netlink::LinkState changed) { link_changed(changed); },
               [this] { link_left(); });
  return {};
}

void Tunnel::link_changed(netlink::LinkState state) {
  device_->set_mtu(state.mtu);
  if (!state.up) return device_->set_down();
  if (auto up = device_->set_up(); !up) {
    log_->error("cannot come up: {}", up.error().text());
  }
}

/// The interface is not in this namespace any more: deleted, or moved to another one. There we go
/// on looking at it; the sockets stay where they were made.
void Tunnel::link_left() {
  const auto name = tun_->name_now();
  if (!name) return end("the interface was deleted");
  link_.reset();
  auto space = tun_->network_namespace();
  auto link = space ? netlink::Link::open_in(main_, *space, *name)
                    : Result<std::unique_ptr<netlink::Link>>(std::unexpected(space.error()));
  if (!link) {
    log_->error(
        "the interface is in another network namespace, and cannot be followed there ({}): "
        "it counts as up, with its last MTU",
        link.error().text());
    link_changed({.up = true, .mtu = kMtu});
    return poll_for_end();
  }
  log_->info("the interface, {}, is in another network namespace now", *name);
  link_ = std::move(*link);
  link_->watch([this](netlink::LinkState changed) { link_changed(changed); },
               [this] { link_left(); });
  if (auto state = link_->state()) link_changed(*state);
}

/// Where netlink cannot tell us of the end, the TUN itself can.
void Tunnel::poll_for_end() {
  poll_.expires_after(std::chrono::seconds(1));
  poll_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (!tun_->name_now()) return end("the interface was deleted");
    poll_for_end();
  });
}

// ---- Signals and the end

void Tunnel::wait_for_signals() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal != SIGHUP) return end(signal == SIGTERM ? "SIGTERM" : "SIGINT");
    reopen_log(*log_);
    log_->info("SIGHUP: the log was opened anew");
    wait_for_signals();
  });
}

void Tunnel::end(const char* why) {
  log_->info("ending: {}", why);
  main_.stop();
}

void Tunnel::run() {
  main_.run();
}

}  // namespace wg::daemon
