#include "conn/endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <cstring>
#include <ostream>

namespace wg::conn {
namespace {

using Parsed = std::expected<Endpoint, std::string>;

template <class Number>
bool parse_number(std::string_view text, Number& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::string vsock_name(std::uint32_t cid) {
  const char* const name = cid == VMADDR_CID_HYPERVISOR ? "hypervisor"
                           : cid == VMADDR_CID_LOCAL    ? "local"
                           : cid == VMADDR_CID_HOST     ? "host"
                                                        : "vm";
  return std::string(name) + "(" + std::to_string(cid) + ")";
}

/// A zone is an interface's name or its number.
bool parse_zone(const std::string& zone, std::uint32_t& index) noexcept {
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), index);
  if (error == std::errc{} && end == zone.data() + zone.size()) return index != 0;
  index = if_nametoindex(zone.c_str());
  return index != 0;
}

/// inet_pton reads to the first zero byte.
bool holds_zero(std::string_view host) noexcept {
  return host.contains('\0');
}

Parsed parse_v6(std::string_view host, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  const std::size_t percent = host.find('%');
  const std::string name(host.substr(0, percent));
  if (holds_zero(host) || inet_pton(AF_INET6, name.c_str(), &address.sin6_addr) != 1) {
    return std::unexpected("its host is no IPv6 address");
  }
  if (percent != std::string_view::npos) {
    const std::string zone(host.substr(percent + 1));
    if (!parse_zone(zone, address.sin6_scope_id)) {
      return std::unexpected("its zone is no interface of this system");
    }
  }
  return Endpoint(address);
}

Parsed parse_v4(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (holds_zero(host) || inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return std::unexpected("its host is no IPv4 address (names must be resolved before)");
  }
  return Endpoint(address);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Connection& connection) {
  return out << "connection " << connection.number << (connection.accepted ? ", accepted" : "");
}

std::ostream& operator<<(std::ostream& out, const Endpoint& endpoint) {
  return out << endpoint.text();
}

Parsed Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !parse_number(text.substr(colon + 1), port)) {
    return std::unexpected("no port of 0…65535 behind the last ':'");
  }
  const std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    return parse_v6(host.substr(1, host.size() - 2), port);
  }
  return parse_v4(std::string(host), port);
}

Parsed Endpoint::parse_vsock(std::string_view text) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !parse_number(text.substr(colon + 1), address.svm_port)) {
    return std::unexpected("no port of 0…4294967295 behind the last ':'");
  }
  const std::string host(text.substr(0, colon));
  in_addr as_v4{};
  if (!holds_zero(host) && inet_pton(AF_INET, host.c_str(), &as_v4) == 1) {
    address.svm_cid = ntohl(as_v4.s_addr);
    return Endpoint(address);
  }
  const std::size_t open = host.find('(');
  if (open == std::string::npos || host.back() != ')' ||
      !parse_number(std::string_view(host).substr(open + 1, host.size() - open - 2),
                    address.svm_cid) ||
      host != vsock_name(address.svm_cid)) {
    return std::unexpected(
        "its host is no vsock address: hypervisor(0), local(1), host(2), vm(N) with N "
        "of 3 or more, or the CID as an IPv4 address (0.0.0.2)");
  }
  return Endpoint(address);
}

std::optional<std::string> Endpoint::wg_text() const {
  if (family() != AF_VSOCK) return text();
  if (address_.vm.svm_port > UINT16_MAX) return std::nullopt;
  const in_addr as_v4{htonl(address_.vm.svm_cid)};
  char name[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &as_v4, name, sizeof name);
  return std::string(name) + ":" + std::to_string(address_.vm.svm_port);
}

std::string Endpoint::text() const {
  if (family() == AF_VSOCK) {
    return vsock_name(address_.vm.svm_cid) + ":" + std::to_string(address_.vm.svm_port);
  }
  char name[INET6_ADDRSTRLEN];
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &address_.v4.sin_addr, name, sizeof name);
    return std::string(name) + ":" + std::to_string(ntohs(address_.v4.sin_port));
  }
  if (family() != AF_INET6) return "unknown";
  inet_ntop(AF_INET6, &address_.v6.sin6_addr, name, sizeof name);
  std::string host = name;
  if (address_.v6.sin6_scope_id != 0) {
    char zone[IF_NAMESIZE];
    const bool named = if_indextoname(address_.v6.sin6_scope_id, zone) != nullptr;
    host += "%" + (named ? std::string(zone) : std::to_string(address_.v6.sin6_scope_id));
  }
  return "[" + host + "]:" + std::to_string(ntohs(address_.v6.sin6_port));
}

Endpoint::Identity Endpoint::identity() const noexcept {
  Identity identity;
  const auto append = [&](const void* bytes, std::size_t size) {
    std::memcpy(identity.bytes.data() + identity.size, bytes, size);
    identity.size += size;
  };
  if (family() == AF_INET) {
    append(&address_.v4.sin_addr, sizeof(in_addr));
    append(&address_.v4.sin_port, sizeof(in_port_t));
  } else if (family() == AF_VSOCK) {
    append(&address_.vm.svm_cid, sizeof address_.vm.svm_cid);
    append(&address_.vm.svm_port, sizeof address_.vm.svm_port);
  } else {
    append(&address_.v6.sin6_addr, sizeof(in6_addr));
    append(&address_.v6.sin6_port, sizeof(in_port_t));
  }
  return identity;
}

std::span<const std::byte> Endpoint::address_bytes() const noexcept {
  if (family() == AF_INET) return std::as_bytes(std::span(&address_.v4.sin_addr, 1));
  if (family() == AF_INET6) return std::as_bytes(std::span(&address_.v6.sin6_addr, 1));
  return {};
}

std::span<const std::byte> Endpoint::source_bytes() const noexcept {
  if (const auto* v4 = std::get_if<in_addr>(&source_.address)) {
    return std::as_bytes(std::span(v4, 1));
  }
  if (const auto* v6 = std::get_if<in6_addr>(&source_.address)) {
    return std::as_bytes(std::span(v6, 1));
  }
  return {};
}

std::uint32_t Endpoint::port() const noexcept {
  if (family() == AF_VSOCK) return address_.vm.svm_port;
  return ntohs(family() == AF_INET ? address_.v4.sin_port : address_.v6.sin6_port);
}

std::uint64_t Endpoint::rate_key() const noexcept {
  if (family() == AF_INET) return address_.v4.sin_addr.s_addr;
  if (family() == AF_VSOCK) return address_.vm.svm_cid;
  std::uint64_t prefix = 0;
  std::memcpy(&prefix, &address_.v6.sin6_addr, sizeof prefix);
  return prefix ^ (1ULL << 63);  // apart from the IPv4 addresses
}

bool operator==(const Endpoint& a, const Endpoint& b) noexcept {
  if (a.family() != b.family()) return false;
  if (a.family() == AF_INET) {
    return a.address_.v4.sin_addr.s_addr == b.address_.v4.sin_addr.s_addr &&
           a.address_.v4.sin_port == b.address_.v4.sin_port;
  }
  if (a.family() == AF_VSOCK) {
    return a.address_.vm.svm_cid == b.address_.vm.svm_cid &&
           a.address_.vm.svm_port == b.address_.vm.svm_port;
  }
  return std::memcmp(&a.address_.v6.sin6_addr, &b.address_.v6.sin6_addr, sizeof(in6_addr)) == 0 &&
         a.address_.v6.sin6_port == b.address_.v6.sin6_port &&
         a.address_.v6.sin6_scope_id == b.address_.v6.sin6_scope_id;
}

bool Endpoint::identical(const Endpoint& other) const noexcept {
  if (!(*this == other) || connection_ != other.connection_ ||
      source_.interface != other.source_.interface ||
      source_.address.index() != other.source_.address.index()) {
    return false;
  }
  if (const auto* mine = std::get_if<in_addr>(&source_.address)) {
    return mine->s_addr == std::get<in_addr>(other.source_.address).s_addr;
  }
  if (const auto* mine = std::get_if<in6_addr>(&source_.address)) {
    return std::memcmp(mine, &std::get<in6_addr>(other.source_.address), sizeof *mine) == 0;
  }
  return true;
}

}  // namespace wg::conn
