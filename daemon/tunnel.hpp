// A tunnel, put together and kept running.
//
// It starts in stages, so that rights can be given up before anything runs:
//
//   open      takes rights: the ends (TUN, sockets' probes), the UAPI socket, the key log, netlink
//   (confine  where main.cpp can give rights up; it gives up none yet)
//   start     threads, and whatever they do
//
// What asks for rights later, and how it does without more than CAP_NET_ADMIN over the two
// namespaces (and CAP_NET_BIND_SERVICE for ports below 1024):
//
//   opening sockets when the link comes up    a plain socket and a port
//   SO_MARK; SO_RCVBUFFORCE, SO_SNDBUFFORCE   CAP_NET_ADMIN; without it the buffers stay smaller
//   following the interface to a namespace    ids of namespaces, no setns; CAP_NET_BROADCAST for
//                                             events there, else it counts as up
//   TUNGETDEVNETNS                            CAP_NET_ADMIN
//   opening the log file anew (SIGHUP)        the file system; refused, the old one goes on
//   removing the UAPI socket at the end       its folder is root's; refused, the next start does it
//   syslog reconnecting                       /dev/log
//   affinity of a pipeline's writer           none, for one's own threads
//
// It ends on SIGTERM and SIGINT, when the interface is deleted and when its socket file is removed.
// SIGHUP opens the log file anew.
//
// Runs on: the main thread: signals, UAPI, and what netlink says of the interface and of routes.
// Any thread: `end`.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "daemon/ends.hpp"
#include "daemon/options.hpp"
#include "device/device.hpp"
#include "netlink/routes.hpp"
#include "uapi/server.hpp"

namespace wg::daemon {

class Tunnel {
 public:
  /// Makes the ends of a tunnel.
  using EndsMaker = std::function<Result<Ends>(boost::asio::io_context& main,
                                               const std::vector<boost::asio::io_context*>& shards,
                                               const std::shared_ptr<spdlog::logger>& log)>;

  /// Makes interface and socket; when it returns, both are there. Nothing runs yet.
  [[nodiscard]] static Result<std::unique_ptr<Tunnel>> open(const Options& options,
                                                            std::shared_ptr<spdlog::logger> log);
  /// The same with ends of the caller's choice.
  [[nodiscard]] static Result<std::unique_ptr<Tunnel>> open(const Options& options,
                                                            std::shared_ptr<spdlog::logger> log,
                                                            const EndsMaker& make_ends);
  ~Tunnel();

  /// Starts the threads; when it returns, interface and socket answer.
  [[nodiscard]] Result<void> start();
  /// Until the end of the tunnel; a failure is the main thread's own.
  [[nodiscard]] Result<void> run();
  void end(const char* why);

  [[nodiscard]] device::Device& device() noexcept { return *device_; }

 private:
  /// How often a bind that could not be opened is tried again.
  static constexpr std::chrono::seconds kRetryBind{1};

  Tunnel(const Options& options, std::shared_ptr<spdlog::logger> log);

  [[nodiscard]] Result<void> open_device(const Options& options);
  [[nodiscard]] Result<void> open_uapi(const Options& options);
  [[nodiscard]] Result<void> open_routes();
  [[nodiscard]] bool source_is_right(const conn::Endpoint& endpoint);
  void come_up();
  void wait_for_signals();

  std::shared_ptr<spdlog::logger> log_;
  boost::asio::io_context main_{1};
  boost::asio::signal_set signals_;
  boost::asio::steady_timer retry_;
  device::ShardThreads shards_;
  Ends ends_;
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<uapi::Server> server_;
  std::unique_ptr<netlink::Routes> routes_;  // null: the outer end has no sources to care for
  bool failure_told_ = false;                // of coming up
};

}  // namespace wg::daemon
