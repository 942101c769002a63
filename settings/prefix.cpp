#include "settings/prefix.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace wg::settings {
namespace {

/// The bits of a byte that the first `bits` of a prefix cover.
std::byte leading_bits(unsigned bits) noexcept {
  return static_cast<std::byte>(0xff00U >> bits);
}

}  // namespace

std::optional<Prefix> Prefix::parse(std::string_view text) {
  if (text.contains('\0')) return std::nullopt;  // inet_pton reads to it
  const std::size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  Prefix prefix{.v6 = host.find(':') != std::string::npos};
  if (inet_pton(prefix.v6 ? AF_INET6 : AF_INET, host.c_str(), prefix.address.data()) != 1) {
    return std::nullopt;
  }
  unsigned length = prefix.v6 ? 128 : 32;
  if (slash != std::string_view::npos) {
    const unsigned most = length;
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length > most) {
      return std::nullopt;
    }
  }
  prefix.length = static_cast<std::uint8_t>(length);
  for (unsigned i = 0; i < prefix.address.size(); i++) {
    const unsigned covered = length > 8 * i ? length - 8 * i : 0;
    if (covered < 8) prefix.address[i] &= leading_bits(covered);
  }
  return prefix;
}

std::optional<Prefix> Prefix::parse_with_length(std::string_view text) {
  if (text.find('/') == std::string_view::npos) return std::nullopt;
  return parse(text);
}

std::string Prefix::text() const {
  char name[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, address.data(), name, sizeof name);
  return std::string(name) + "/" + std::to_string(length);
}

std::string list_text(std::span<const Prefix> prefixes) {
  std::string list;
  for (const Prefix& prefix : prefixes) {
    if (!list.empty()) list.append(", ");
    list.append(prefix.text());
  }
  return list;
}

bool Prefix::contains(std::span<const std::byte> other) const noexcept {
  const std::size_t whole = length / 8;
  if (std::memcmp(address.data(), other.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((address[whole] ^ other[whole]) & leading_bits(rest)) == std::byte{0};
}

}  // namespace wg::settings
