// The UAPI socket: `/var/run/wireguard/<if>.sock`, where wg(8) finds us.
//
// A connection carries operations, one after the other; each is `get=1`, `set=1` or, of ours,
// `status=1`, its lines, and an empty line. Each connection costs one bounded buffer and waits for
// nobody else's: a `get` is written piece by piece as the client reads, and a client that stalls is
// closed.
//
// The socket file's removal by somebody else ends the daemon, and the server's own end removes the
// file, if it is still the one that it made.
//
// Runs on: the device owner's thread, which owns it.
#pragma once

#include <spdlog/logger.h>
#include <sys/stat.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "errors/descriptor.hpp"
#include "settings/configurable.hpp"

namespace wg::uapi {

inline constexpr const char* kSocketFolder = "/var/run/wireguard";
/// A client that neither sends nor reads for so long is closed.
inline constexpr std::chrono::milliseconds kIdleMax{60'000};

/// Where `interface`'s socket is.
[[nodiscard]] std::string socket_path(const std::string& interface);

class Server {
 public:
  /// Listens at `path`. A stale file there is replaced; one that somebody answers at is an error.
  [[nodiscard]] static Result<std::unique_ptr<Server>> listen(boost::asio::io_context& context,
                                                              const std::string& path);
  /// Takes over a socket that listens already.
  [[nodiscard]] static Result<std::unique_ptr<Server>> adopt(boost::asio::io_context& context,
                                                             Descriptor fd);
  ~Server();

  /// Begins to serve. `removed` is called once if the socket's file is taken away.
  void serve(settings::Configurable& device, std::shared_ptr<spdlog::logger> log,
             std::function<void()> removed, std::chrono::milliseconds idle_max = kIdleMax);

 private:
  using Acceptor = boost::asio::local::stream_protocol::acceptor;
  using Socket = boost::asio::local::stream_protocol::socket;

  Server(boost::asio::io_context& context, Acceptor acceptor, std::string path);

  [[nodiscard]] boost::asio::awaitable<void> accept_all();
  [[nodiscard]] boost::asio::awaitable<void> watch_file();
  [[nodiscard]] bool file_is_ours() const noexcept;

  boost::asio::io_context& context_;
  Acceptor acceptor_;
  std::string path_;  // empty: an adopted socket without a file
  struct stat file_{};
  boost::asio::posix::stream_descriptor inotify_;
  settings::Configurable* device_ = nullptr;
  std::shared_ptr<spdlog::logger> log_;
  std::function<void()> removed_;
  std::chrono::milliseconds idle_max_{};
  std::shared_ptr<int> connections_ = std::make_shared<int>(0);
};

}  // namespace wg::uapi
