#include "conn/stream_socket.hpp"

#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>

namespace wg::conn {
namespace {

constexpr int kListenBacklog = 256;

// A peer that does not answer is noticed after about this long, whether something is being sent to
// it (TCP_USER_TIMEOUT) or not (keep-alives). It is more than an outage that TCP gets over.
constexpr int kUserTimeoutMilliseconds = 20'000;
constexpr int kKeepAliveIdleSeconds = 10;
constexpr int kKeepAliveIntervalSeconds = 5;
constexpr int kKeepAliveProbes = 3;
// What the kernel keeps unsent: more would only make the queue longer, out of our reach.
constexpr int kUnsentBytes = 256 * 1024;

void set_option(int fd, int level, int name, int value) noexcept {
  // What cannot be set is done without: every option here only makes things better.
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void configure(int fd, int family) noexcept {
  if (family == AF_VSOCK) return;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMilliseconds);
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentBytes);
}

[[nodiscard]] Endpoint endpoint_of(const sockaddr_storage& address) noexcept {
  switch (address.ss_family) {
    case AF_INET:
      return Endpoint(reinterpret_cast<const sockaddr_in&>(address));
    case AF_INET6:
      return Endpoint(reinterpret_cast<const sockaddr_in6&>(address));
    case AF_VSOCK:
      return Endpoint(reinterpret_cast<const sockaddr_vm&>(address));
    default:
      return {};
  }
}

[[nodiscard]] Endpoint any_address(int family, std::uint16_t port) noexcept {
  if (family == AF_VSOCK) {
    sockaddr_vm vm{};
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = VMADDR_CID_ANY;
    vm.svm_port = port;
    return Endpoint(vm);
  }
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return Endpoint(v4);
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  return Endpoint(v6);
}

[[nodiscard]] Result<Descriptor> make_socket(int family, std::uint32_t mark) {
  Descriptor fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(Failure::system(errno));
  if (mark != 0) {
    if (auto marked = set_mark(fd.get(), mark); !marked) return std::unexpected(marked.error());
  }
  return fd;
}

[[nodiscard]] Result<Descriptor> listen_in(int family, std::uint16_t port, std::uint32_t mark) {
  auto fd = make_socket(family, mark);
  if (!fd) return fd;
  set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);  // despite connections in TIME_WAIT
  if (family == AF_INET6) set_option(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const Endpoint any = any_address(family, port);
  if (::bind(fd->get(), any.address(), any.address_size()) != 0 ||
      ::listen(fd->get(), kListenBacklog) != 0) {
    return std::unexpected(Failure::system(errno));
  }
  return fd;
}

[[nodiscard]] std::vector<int> families_of(StreamNetwork network) {
  switch (network) {
    case StreamNetwork::Tcp:
      return {AF_INET, AF_INET6};
    case StreamNetwork::Tcp4:
      return {AF_INET};
    case StreamNetwork::Tcp6:
      return {AF_INET6};
    case StreamNetwork::Vsock:
      return {AF_VSOCK};
  }
  return {};
}

[[nodiscard]] bool family_missing(const Failure& failure) noexcept {
  const int error = failure.code().value();
  return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

[[nodiscard]] bool somebody_waits(int listener) noexcept {
  const int error = errno;
  pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
  const bool yes = ::poll(&waiting, 1, 0) > 0;
  errno = error;
  return yes;
}

}  // namespace

Result<void> probe(StreamNetwork network) {
  if (network != StreamNetwork::Vsock) return {};
  const Descriptor fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd) return {};
  return std::unexpected(
      Failure::system(errno)
          .during("vsock: AF_VSOCK")
          .hint("load the kernel's module: vmw_vsock_virtio_transport inside a virtual machine, "
                "vhost_vsock on its host, vsock_loopback for CID 1"));
}

Result<std::vector<Descriptor>> listen_on(StreamNetwork network, std::uint16_t port,
                                          std::uint32_t mark) {
  std::vector<Descriptor> listeners;
  std::optional<Failure> missing;
  for (const int family : families_of(network)) {
    auto listener = listen_in(family, port, mark);
    if (listener) {
      listeners.push_back(std::move(*listener));
    } else if (family_missing(listener.error())) {
      missing = listener.error();
    } else {
      return std::unexpected(listener.error());
    }
  }
  if (listeners.empty()) return std::unexpected(*missing);
  return listeners;
}

std::expected<Endpoint, std::string> parse_endpoint(StreamNetwork network, std::string_view text) {
  if (network == StreamNetwork::Vsock) return Endpoint::parse_vsock(text);
  auto endpoint = Endpoint::parse(text);
  if (!endpoint) return endpoint;
  if (network == StreamNetwork::Tcp4 && endpoint->family() != AF_INET) {
    return std::unexpected("it is IPv6, and the network is tcp4");
  }
  if (network == StreamNetwork::Tcp6 && endpoint->family() != AF_INET6) {
    return std::unexpected("it is IPv4, and the network is tcp6");
  }
  return endpoint;
}

Result<Descriptor> begin_connect(const Endpoint& to, std::uint32_t mark) {
  auto fd = make_socket(to.family(), mark);
  if (!fd) return fd;
  configure(fd->get(), to.family());
  if (::connect(fd->get(), to.address(), to.address_size()) != 0 && errno != EINPROGRESS) {
    return std::unexpected(Failure::system(errno));
  }
  return fd;
}

int connect_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

std::optional<Accepted> accept_from(int listener) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  Descriptor fd(::accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                          SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    // A descriptor is taken before the queue is looked at: it may be missing for nobody.
    if ((errno == EMFILE || errno == ENFILE) && !somebody_waits(listener)) errno = EAGAIN;
    return std::nullopt;
  }
  configure(fd.get(), address.ss_family);
  return Accepted{.fd = std::move(fd), .from = endpoint_of(address)};
}

Endpoint local_endpoint(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return endpoint_of(address);
}

Result<void> set_mark(int fd, std::uint32_t mark) noexcept {
  if (::setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return std::unexpected(Failure::system(errno));
  }
  return {};
}

}  // namespace wg::conn
