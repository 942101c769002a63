// Where a peer is reached. A value; the device copies and compares it, and asks for its text.
// Address and port are for everybody.
//
// Beside them it carries a hint that only its bind reads. Over UDP, our own address that the peer
// last spoke to (the *source*), so that replies leave from there: a host with several addresses
// would otherwise answer from one that the peer does not know. Over streams, the connection that
// the peer last spoke on. Hints do not take part in comparison.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>  // which in some releases of Linux needs <sys/socket.h> before it

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace wg::conn {

/// Our own address towards a peer, and the interface that its last packet came in by. Routing is
/// free to choose the way out, as in the kernel's WireGuard: the interface is asked of it for
/// link-local IPv6 addresses only, which mean nothing without it. But when routes change and no
/// longer lead out by that interface, the address is out of place, too.
struct SourceAddress {
  std::variant<std::monostate, in_addr, in6_addr> address;
  std::uint32_t interface = 0;
};

/// A stream, by its number in its bind; 0: none. An accepted one cannot be dialled: what its
/// address names is the other side's ephemeral port.
struct Connection {
  std::uint64_t number = 0;
  bool accepted = false;
  bool operator==(const Connection&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Connection& connection);

class Endpoint {
 public:
  /// The bytes of address and port, for a cookie: 4 + 2, 16 + 2, or 4 + 4 for vsock.
  struct Identity {
    std::array<std::byte, 18> bytes{};
    std::size_t size = 0;
    [[nodiscard]] std::span<const std::byte> view() const noexcept { return {bytes.data(), size}; }
  };

  Endpoint() noexcept { address_.v6 = {}; }
  explicit Endpoint(const sockaddr_in& address) noexcept {
    address_.v6 = {};
    address_.v4 = address;
  }
  explicit Endpoint(const sockaddr_in6& address) noexcept { address_.v6 = address; }
  explicit Endpoint(const sockaddr_vm& address) noexcept {
    address_.v6 = {};
    address_.vm = address;
  }

  /// `1.2.3.4:5`, `[::1]:5`, `[fe80::1%eth0]:5`; the unexpected value says what is wrong with the
  /// text.
  [[nodiscard]] static std::expected<Endpoint, std::string> parse(std::string_view text);
  /// vsock: `hypervisor(0):P`, `local(1):P`, `host(2):P`, `vm(N):P` with N of 3 or more; or the CID
  /// written as an IPv4 address, which wg(8) can say: `0.0.0.2:8172`.
  [[nodiscard]] static std::expected<Endpoint, std::string> parse_vsock(std::string_view text);

  [[nodiscard]] bool known() const noexcept { return family() != AF_UNSPEC; }
  [[nodiscard]] sa_family_t family() const noexcept { return address_.any.sa_family; }
  /// As `parse` and `parse_vsock` take it, in its native form.
  [[nodiscard]] std::string text() const;
  /// As wg(8) understands it; none for what it has no words for, a vsock port above 65,535.
  [[nodiscard]] std::optional<std::string> wg_text() const;
  [[nodiscard]] Identity identity() const noexcept;
  /// The port, in this machine's byte order, and how many bytes of `identity` it takes at the end.
  [[nodiscard]] std::uint32_t port() const noexcept;
  [[nodiscard]] std::size_t port_bytes() const noexcept {
    return family() == AF_VSOCK ? sizeof(std::uint32_t) : sizeof(in_port_t);
  }
  /// One attacker's addresses fall together: IPv4 /32, IPv6 /64, a CID. A number to count by, not
  /// an address.
  [[nodiscard]] std::uint64_t rate_key() const noexcept;

  [[nodiscard]] const sockaddr* address() const noexcept { return &address_.any; }
  [[nodiscard]] socklen_t address_size() const noexcept {
    return family() == AF_INET    ? sizeof(sockaddr_in)
           : family() == AF_VSOCK ? sizeof(sockaddr_vm)
                                  : sizeof(sockaddr_in6);
  }

  /// The address alone, 4 or 16 bytes; and that of the source, empty without one.
  [[nodiscard]] std::span<const std::byte> address_bytes() const noexcept;
  [[nodiscard]] std::span<const std::byte> source_bytes() const noexcept;

  [[nodiscard]] const SourceAddress& source() const noexcept { return source_; }
  [[nodiscard]] bool has_source() const noexcept {
    return !std::holds_alternative<std::monostate>(source_.address);
  }
  void set_source(const SourceAddress& source) noexcept { source_ = source; }
  void clear_source() noexcept { source_ = {}; }

  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }
  void set_connection(const Connection& connection) noexcept { connection_ = connection; }

  /// Same address, port and (for link-local addresses) zone.
  friend bool operator==(const Endpoint& a, const Endpoint& b) noexcept;
  /// Same source and connection, too: nothing to store when a packet arrives.
  [[nodiscard]] bool identical(const Endpoint& other) const noexcept;

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_vm vm;
  } address_;
  SourceAddress source_;
  Connection connection_;
};

/// Its text.
std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint);

/// For tables: by who it is, without the hints.
struct EndpointHash {
  [[nodiscard]] std::size_t operator()(const Endpoint& endpoint) const noexcept {
    const auto identity = endpoint.identity();
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(identity.bytes.data()), identity.size});
  }
};

}  // namespace wg::conn
