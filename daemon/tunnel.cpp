#include "daemon/tunnel.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <csignal>
#include <exception>
#include <system_error>

#include "daemon/log.hpp"
#include "daemon/version.hpp"

namespace wg::daemon {

Tunnel::Tunnel(const Options& options, std::shared_ptr<spdlog::logger> log)
    : log_(std::move(log)),
      signals_(main_, SIGTERM, SIGINT, SIGHUP),
      retry_(main_),
      shards_(options.threads) {}

Tunnel::~Tunnel() {
  // New settings and link changes first, then the packets, then the ends themselves.
  server_.reset();
  routes_.reset();
  if (device_) device_->stop();
}

// ---- Open

Result<std::unique_ptr<Tunnel>> Tunnel::open(const Options& options,
                                             std::shared_ptr<spdlog::logger> log) {
  return open(options, std::move(log),
              [&options](auto& main, const auto& shards, const auto& to_log) {
                return make_ends(options, main, shards, to_log);
              });
}

Result<std::unique_ptr<Tunnel>> Tunnel::open(const Options& options,
                                             std::shared_ptr<spdlog::logger> log,
                                             const EndsMaker& make_ends) {
  std::unique_ptr<Tunnel> tunnel(new Tunnel(options, std::move(log)));
  auto ends = make_ends(tunnel->main_, tunnel->shards_.contexts(), tunnel->log_);
  if (!ends) return std::unexpected(ends.error());
  tunnel->ends_ = std::move(*ends);
  const std::string& name = tunnel->ends_.inner->name();
  if (name != options.interface) tunnel->log_->info("the interface is {}", name);
  if (auto opened = tunnel->open_device(options); !opened) return std::unexpected(opened.error());
  if (auto opened = tunnel->open_routes(); !opened) return std::unexpected(opened.error());
  if (auto opened = tunnel->open_uapi(options); !opened) return std::unexpected(opened.error());
  return tunnel;
}

Result<void> Tunnel::open_device(const Options& options) {
  device::DeviceOptions device_options{
      .control_threads = std::max<std::size_t>(1, options.threads / 2),
      .pipeline = options.pipeline,
      .key_log = nullptr,
      .vitals = {.version = WG_VERSION,
                 .aead = aead_text(),
                 .inner_end = ends_.inner_kind,
                 .outer_end = ends_.outer_kind}};
  if (!options.key_log.empty()) {
    auto key_log = device::KeyLog::open(options.key_log);
    if (!key_log) return std::unexpected(key_log.error());
    device_options.key_log = std::move(*key_log);
    log_->info("the secrets of handshakes are written to {}", options.key_log);
  }
  log_->debug("{}", aead_text());
  device_ = std::make_unique<device::Device>(shards_, ends_.inner->tun(), *ends_.outer,
                                             std::move(device_options), log_);
  return {};
}

Result<void> Tunnel::open_uapi(const Options& options) {
  const std::string& name = ends_.inner->name();
  auto server = options.uapi_fd ? uapi::Server::adopt(main_, Descriptor(*options.uapi_fd))
                                : uapi::Server::listen(main_, uapi::socket_path(name));
  if (!server) {
    return std::unexpected(options.uapi_fd
                               ? server.error().during("WG_UAPI_FD={}", *options.uapi_fd)
                               : server.error().during("{}", name));
  }
  server_ = std::move(*server);
  return {};
}

Result<void> Tunnel::open_routes() {
  if (!ends_.outer->caches_sources()) return {};
  auto routes = netlink::Routes::open(main_);
  if (!routes) return std::unexpected(routes.error());
  routes_ = std::move(*routes);
  return {};
}

// ---- Start

Result<void> Tunnel::start() {
  try {
    device_->start();
  } catch (const std::system_error& error) {
    return std::unexpected(
        Failure::system(error.code().value())
            .during("starting threads")
            .hint("fewer by WG_THREADS, or more by 'ulimit -u' and the container's pids limit"));
  }
  server_->serve(*device_, log_, [this] { end("its socket was removed"); });
  auto followed = ends_.inner->follow({.mtu = [this](std::size_t mtu) { device_->set_mtu(mtu); },
                                       .up = [this] { come_up(); },
                                       .down =
                                           [this] {
                                             retry_.cancel();
                                             device_->set_down();
                                           },
                                       .ended = [this](const char* why) { end(why); }});
  if (!followed) return followed;
  if (routes_) {
    routes_->watch([this] {
      device_->recheck_sources([this](const auto& endpoint) { return source_is_right(endpoint); });
    });
  }
  wait_for_signals();
  return {};
}

/// Tried again until it succeeds or the link goes down: a port that is taken may become free.
void Tunnel::come_up() {
  const auto up = device_->set_up();
  if (up) {
    failure_told_ = false;
    return;
  }
  if (!failure_told_) log_->error("cannot come up: {}; trying again", up.error().text());
  failure_told_ = true;
  retry_.expires_after(kRetryBind);
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error && device_->wants_up()) come_up();
  });
}

/// Whether replies from the cached source still leave by the interface that the peer's last packet
/// came in by. Where no way out can be told the source stays: it may be right again.
bool Tunnel::source_is_right(const conn::Endpoint& endpoint) {
  const auto way =
      routes_->way_out(endpoint.address_bytes(), endpoint.source_bytes(), device_->fwmark());
  if (!way) return way.error() != netlink::NoWay::SourceUnusable;
  return *way == endpoint.source().interface;
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

Result<void> Tunnel::run() try {
  main_.run();
  return {};
} catch (const std::exception& error) {
  return std::unexpected(Failure(error.what()).during("on the main thread"));
}

}  // namespace wg::daemon
