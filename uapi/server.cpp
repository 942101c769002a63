#include "uapi/server.hpp"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <filesystem>

#include "uapi/settings_parser.hpp"
#include "uapi/shown.hpp"
#include "uapi/state_writer.hpp"

namespace wg::uapi {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr int kConnectionsMax = 64;
/// A `get` is written in pieces of about this size.
constexpr std::size_t kPieceBytes = 64 * 1024;

/// One client. It lives in its coroutine.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(stream_protocol::socket socket, settings::Configurable& device,
             std::shared_ptr<spdlog::logger> log, std::chrono::milliseconds idle_max)
      : socket_(std::move(socket)),
        idle_(socket_.get_executor()),
        idle_max_(idle_max),
        device_(device),
        log_(std::move(log)) {}
  ~Connection() { wipe(0, buffer_.size()); }

  asio::awaitable<void> run() {
    while (auto operation = co_await read_line()) {
      bool served = false;
      if (*operation == "get=1") {
        served = co_await get();
      } else if (*operation == "set=1") {
        served = co_await set();
      } else if (*operation == "status=1") {
        served = co_await status();
      } else {
        log_->error("UAPI: unknown operation '{}', closing the connection",
                    shown(operation->substr(0, operation->find('='))));
      }
      if (!served) co_return;
    }
  }

 private:
  /// The next line without its newline; none when the client has gone, stalls, or writes no lines.
  /// Good until the next call, which wipes it.
  asio::awaitable<std::optional<std::string_view>> read_line() {
    wipe(0, begin_);
    for (;;) {
      const std::string_view unread(buffer_.data() + begin_, end_ - begin_);
      if (const std::size_t newline = unread.find('\n'); newline != std::string_view::npos) {
        begin_ += newline + 1;
        co_return unread.substr(0, newline);
      }
      if (begin_ > 0) {
        std::copy(unread.begin(), unread.end(), buffer_.begin());
        wipe(unread.size(), end_);
        end_ = unread.size();
        begin_ = 0;
      }
      if (end_ == buffer_.size()) {
        log_->error("UAPI: a line of more than {} bytes, closing the connection", buffer_.size());
        co_return std::nullopt;
      }
      arm_idle();
      const auto [error, size] = co_await socket_.async_read_some(
          asio::buffer(buffer_.data() + end_, buffer_.size() - end_), kAwait);
      if (error) co_return std::nullopt;
      end_ += size;
    }
  }

  asio::awaitable<bool> set() {
    SettingsParser parser([this](std::string_view text) { return device_.endpoint_error(text); });
    for (;;) {
      const auto line = co_await read_line();
      if (!line) co_return false;
      if (line->empty()) break;
      parser.line(*line);
    }
    int error = 0;
    auto settings = parser.finish();
    if (!settings) {
      log_->error("UAPI: set refused: {}", settings.error().text);
      error = settings.error().error;
    } else if (const auto applied = device_.apply(*settings); !applied) {
      log_->error("UAPI: set refused: {}", applied.error().text());
      const int reason = applied.error().code().value();
      error = reason != 0 ? reason : EIO;
    }
    co_return co_await write(crypto::SecretText(fmt::format("errno={}\n\n", -error)));
  }

  asio::awaitable<bool> status() {
    const auto end = co_await read_line();
    if (!end || !end->empty()) co_return false;
    crypto::SecretText text;
    append(text, device_.vitals());
    text.append("errno=0\n\n");
    co_return co_await write(std::move(text));
  }

  asio::awaitable<bool> get() {
    // `get=1` is followed by an empty line.
    const auto end = co_await read_line();
    if (!end || !end->empty()) co_return false;
    crypto::SecretText text;
    append(text, device_.interface_state());
    for (const crypto::PublicKey& key : device_.peers()) {
      if (const auto peer = device_.peer_state(key)) append(text, *peer);
      if (text.size() < kPieceBytes) continue;
      const bool written = co_await write(std::exchange(text, {}));
      if (!written) co_return false;
    }
    text.append("errno=0\n\n");
    co_return co_await write(std::move(text));
  }

  asio::awaitable<bool> write(crypto::SecretText text) {
    arm_idle();
    const auto [error, size] =
        co_await asio::async_write(socket_, asio::buffer(text.view()), kAwait);
    co_return !error;
  }

  /// Closes the connection if nothing happens for `idle_max_`.
  void arm_idle() {
    idle_.expires_after(idle_max_);
    idle_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();  // it may have ended while this was on its way
      boost::system::error_code ignored;
      if (!error && self) self->socket_.close(ignored);
    });
  }

  /// What a client has sent may be a key: it goes as soon as it has been used.
  void wipe(std::size_t from, std::size_t to) noexcept {
    sodium_memzero(buffer_.data() + from, to - from);
  }

  stream_protocol::socket socket_;
  asio::steady_timer idle_;
  std::chrono::milliseconds idle_max_;
  settings::Configurable& device_;
  std::shared_ptr<spdlog::logger> log_;
  std::array<char, SettingsParser::kLineBytesMax> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

asio::awaitable<void> serve_client(stream_protocol::socket socket, settings::Configurable& device,
                                   std::shared_ptr<spdlog::logger> log,
                                   std::chrono::milliseconds idle_max,
                                   std::shared_ptr<int> connections) {
  struct Counted {
    explicit Counted(std::shared_ptr<int> all) : connections(std::move(all)) { ++*connections; }
    ~Counted() { --*connections; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    std::shared_ptr<int> connections;
  } const counted(std::move(connections));
  try {
    const auto connection = std::make_shared<Connection>(std::move(socket), device, log, idle_max);
    co_await connection->run();
  } catch (const std::exception& error) {  // memory has run out, most likely
    log->error("UAPI: closing a connection: {}", error.what());
  }
}

Failure socket_failure(int error, const std::string& path) {
  Failure failure = Failure::system(error).during("UAPI socket {}", path);
  if (error == EACCES || error == EPERM) {
    return failure.hint("run as root, or let this user write to {}",
                        std::filesystem::path(path).parent_path().string());
  }
  return failure;
}

/// Makes way for a new socket at `path`: removes a stale file, refuses a live one.
Result<void> clear_stale(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return std::unexpected(socket_failure(ENAMETOOLONG, path));
  path.copy(address.sun_path, path.size());
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe) return std::unexpected(socket_failure(errno, path));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return std::unexpected(Failure("UAPI socket " + path + ": in use by a running daemon")
                               .hint("stop that one, or choose another interface name"));
  }
  if (errno != ECONNREFUSED && errno != ENOENT) return std::unexpected(socket_failure(errno, path));
  if (errno == ECONNREFUSED && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(socket_failure(errno, path));
  }
  return {};
}

}  // namespace

std::string socket_path(const std::string& interface) {
  return std::string(kSocketFolder) + "/" + interface + ".sock";
}

Server::Server(boost::asio::io_context& context, Acceptor acceptor, std::string path)
    : context_(context),
      acceptor_(std::move(acceptor)),
      path_(std::move(path)),
      inotify_(context) {}

Result<std::unique_ptr<Server>> Server::listen(boost::asio::io_context& context,
                                               const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms(0755), error);
  }
  if (auto clear = clear_stale(path); !clear) return std::unexpected(clear.error());

  Acceptor acceptor(context);
  boost::system::error_code failed;
  const auto attempt = [&](auto step) {
    if (!failed) step();
  };
  // Under another name until it listens: wg(8) removes a socket that refuses it, which one that is
  // bound and does not listen yet would do.
  const std::string unready = path + ".new";
  ::unlink(unready.c_str());
  const mode_t before = ::umask(0077);  // the socket is root's alone
  attempt([&] { acceptor.open(stream_protocol(), failed); });
  attempt([&] { acceptor.bind(stream_protocol::endpoint(unready), failed); });
  attempt([&] { acceptor.listen(asio::socket_base::max_listen_connections, failed); });
  ::umask(before);
  if (failed) return std::unexpected(socket_failure(failed.value(), path));
  if (::rename(unready.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    ::unlink(unready.c_str());
    return std::unexpected(socket_failure(reason, path));
  }

  std::unique_ptr<Server> server(new Server(context, std::move(acceptor), path));
  if (::stat(path.c_str(), &server->file_) != 0) {
    return std::unexpected(socket_failure(errno, path));
  }
  const int watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch < 0) {
    const Failure failure = Failure::system(errno).during("inotify");
    if (failure.code().value() != EMFILE) return std::unexpected(failure);
    return std::unexpected(failure.hint("raise the sysctl fs.inotify.max_user_instances"));
  }
  server->inotify_.assign(watch);
  if (::inotify_add_watch(watch, folder.c_str(),
                          IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF) <
      0) {
    const Failure failure = Failure::system(errno).during("inotify on {}", folder.string());
    if (failure.code().value() != ENOSPC) return std::unexpected(failure);
    return std::unexpected(failure.hint("raise the sysctl fs.inotify.max_user_watches"));
  }
  return server;
}

Result<std::unique_ptr<Server>> Server::adopt(boost::asio::io_context& context, Descriptor fd) {
  const auto option = [&fd](int name) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd.get(), SOL_SOCKET, name, &value, &size) == 0 ? value : 0;
  };
  if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM ||
      option(SO_ACCEPTCONN) == 0) {
    return std::unexpected(
        Failure("the descriptor is no Unix stream socket that listens")
            .hint("its maker calls socket(AF_UNIX, SOCK_STREAM), bind() and listen()"));
  }
  Acceptor acceptor(context);
  boost::system::error_code failed;
  acceptor.assign(stream_protocol(), fd.get(), failed);
  if (failed) return std::unexpected(Failure::system(failed.value()));
  (void)fd.release();
  return std::unique_ptr<Server>(new Server(context, std::move(acceptor), ""));
}

Server::~Server() {
  if (!path_.empty() && file_is_ours()) ::unlink(path_.c_str());
}

bool Server::file_is_ours() const noexcept {
  struct stat now{};
  return ::stat(path_.c_str(), &now) == 0 && now.st_ino == file_.st_ino &&
         now.st_dev == file_.st_dev;
}

void Server::serve(settings::Configurable& device, std::shared_ptr<spdlog::logger> log,
                   std::function<void()> removed, std::chrono::milliseconds idle_max) {
  device_ = &device;
  idle_max_ = idle_max;
  log_ = std::move(log);
  removed_ = std::move(removed);
  asio::co_spawn(context_, accept_all(), asio::detached);
  if (!path_.empty()) asio::co_spawn(context_, watch_file(), asio::detached);
}

asio::awaitable<void> Server::accept_all() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {
      // Out of descriptors, most likely: what is open must end before another can begin.
      log_->error("UAPI: cannot accept: {}", error.message());
      asio::steady_timer pause(context_, std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (*connections_ >= kConnectionsMax) {
      log_->error("UAPI: more than {} connections, closing the newest", kConnectionsMax);
      continue;
    }
    asio::co_spawn(context_,
                   serve_client(std::move(socket), *device_, log_, idle_max_, connections_),
                   asio::detached);
  }
}

asio::awaitable<void> Server::watch_file() {
  std::array<char, 4096> events;
  while (file_is_ours()) {
    // What changed does not matter: after any change in the folder we look whether our file is
    // still there.
    const auto [error, size] = co_await inotify_.async_read_some(asio::buffer(events), kAwait);
    if (error) co_return;
  }
  removed_();
}

}  // namespace wg::uapi
