// Where a peer is reached. A value; the device copies and compares it and asks for its text, and
// knows no more of it.
//
// Beside the peer's address it may carry our own address that the peer last spoke to (the
// *source*), so that replies leave from there: a host with several addresses would otherwise answer
// from one that the peer does not know. The source is a hint: it does not take part in comparison,
// and is forgotten when it stops working.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace wg::conn {

/// Our own address towards a peer. `interface` is kept for link-local IPv6 addresses only, which
/// mean nothing without it; elsewhere routing is free to choose the way out, as in the kernel's
/// WireGuard.
struct SourceAddress {
  std::variant<std::monostate, in_addr, in6_addr> address;
  std::uint32_t interface = 0;
};

class Endpoint {
 public:
  /// The bytes of address and port, for a cookie: 4 + 2 or 16 + 2.
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

  /// `1.2.3.4:5`, `[::1]:5`, `[fe80::1%eth0]:5`; the unexpected value says what is wrong with the
  /// text.
  [[nodiscard]] static std::expected<Endpoint, std::string> parse(std::string_view text);

  [[nodiscard]] bool known() const noexcept { return family() != AF_UNSPEC; }
  [[nodiscard]] sa_family_t family() const noexcept { return address_.any.sa_family; }
  [[nodiscard]] std::string text() const;
  [[nodiscard]] Identity identity() const noexcept;
  /// One attacker's addresses fall together: IPv4 /32, IPv6 /64. A number to count by, not an
  /// address.
  [[nodiscard]] std::uint64_t rate_key() const noexcept;

  [[nodiscard]] const sockaddr* address() const noexcept { return &address_.any; }
  [[nodiscard]] socklen_t address_size() const noexcept {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  [[nodiscard]] const SourceAddress& source() const noexcept { return source_; }
  [[nodiscard]] bool has_source() const noexcept {
    return !std::holds_alternative<std::monostate>(source_.address);
  }
  void set_source(const SourceAddress& source) noexcept { source_ = source; }
  void clear_source() noexcept { source_ = {}; }

  /// Same address, port and (for link-local addresses) zone.
  friend bool operator==(const Endpoint& a, const Endpoint& b) noexcept;
  /// Same source, too: nothing to store when a packet arrives.
  [[nodiscard]] bool identical(const Endpoint& other) const noexcept;

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } address_;
  SourceAddress source_;
};

}  // namespace wg::conn
