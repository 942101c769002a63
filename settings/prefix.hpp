// An IP prefix, as in allowed IPs: `10.0.0.0/8`, `fd00::/8`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wg::settings {

struct Prefix {
  std::array<std::byte, 16> address{};  // IPv4: the first four; bits behind the prefix are zero
  std::uint8_t length = 0;              // bits
  bool v6 = false;

  /// Host bits are masked off. Without `/length` it is one host. None if it is no prefix.
  [[nodiscard]] static std::optional<Prefix> parse(std::string_view text);
  /// The same, with `/length` in it: UAPI's form, where wireguard-go takes no other.
  [[nodiscard]] static std::optional<Prefix> parse_with_length(std::string_view text);
  [[nodiscard]] std::string text() const;

  [[nodiscard]] std::size_t address_size() const noexcept { return v6 ? 16 : 4; }
  /// `other`: an address of the same family, 4 or 16 bytes.
  [[nodiscard]] bool contains(std::span<const std::byte> other) const noexcept;

  friend bool operator==(const Prefix&, const Prefix&) noexcept = default;
};

/// "10.0.0.0/8, fd00::/8".
[[nodiscard]] std::string list_text(std::span<const Prefix> prefixes);

}  // namespace wg::settings
