// A tunnel, put together and kept running: here, and only here, it is decided which inner end meets
// which outer end.
//
// Runs on the main thread: signals, UAPI, and what netlink says of the interface. It ends on
// SIGTERM and SIGINT, when the interface is deleted and when its socket file is removed. SIGHUP
// opens the log file anew.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "conn/bind.hpp"
#include "daemon/options.hpp"
#include "device/device.hpp"
#include "netlink/link.hpp"
#include "tun/kernel/kernel_tun.hpp"
#include "uapi/server.hpp"

namespace wg::daemon {

inline constexpr unsigned kMtu = 1420;

class Tunnel {
 public:
  /// Makes interface and socket; when it returns, both are there and answer.
  [[nodiscard]] static Result<std::unique_ptr<Tunnel>> open(const Options& options,
                                                            std::shared_ptr<spdlog::logger> log);
  ~Tunnel();

  /// Until the end of the tunnel.
  void run();

 private:
  Tunnel(const Options& options, std::shared_ptr<spdlog::logger> log);

  [[nodiscard]] Result<void> open_tun(const Options& options);
  [[nodiscard]] Result<void> open_uapi(const Options& options);
  [[nodiscard]] Result<void> follow_link();
  void link_changed(netlink::LinkState state);
  void link_left();
  void poll_for_end();
  void wait_for_signals();
  void end(const char* why);

  std::shared_ptr<spdlog::logger> log_;
  boost::asio::io_context main_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer poll_;
  device::ShardThreads shards_;
  std::unique_ptr<tun::KernelTun> tun_;
  std::unique_ptr<conn::Bind> bind_;
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<uapi::Server> server_;
  std::unique_ptr<netlink::Link> link_;
};

}  // namespace wg::daemon
