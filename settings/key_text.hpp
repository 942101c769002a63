// Keys as text: base64 as wg(8) prints them, hex as UAPI carries them.
//
// Public keys become strings; secrets become SecretText, which wipes itself, and nothing else.
// Both are coded without table look-ups and branches on their value (libsodium's codecs).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret.hpp"
#include "crypto/secret_text.hpp"

namespace wg::settings {

inline constexpr std::size_t kBase64Chars = 44;
inline constexpr std::size_t kHexChars = 64;  // lower case

[[nodiscard]] std::string to_base64(const crypto::PublicKey& key);
[[nodiscard]] std::string to_hex(const crypto::PublicKey& key);

/// A key, secret or not, behind what stands in `text` already.
void append_base64(crypto::SecretText& text, std::span<const std::byte, crypto::kKeyBytes> key);
void append_hex(crypto::SecretText& text, std::span<const std::byte, crypto::kKeyBytes> key);

/// True, and `out` filled, if `text` is exactly 64 hex digits of either case.
[[nodiscard]] bool from_hex(std::string_view text,
                            std::span<std::byte, crypto::kKeyBytes> out) noexcept;
/// True, and `out` filled, if `text` is exactly 44 characters of canonical base64.
[[nodiscard]] bool from_base64(std::string_view text,
                               std::span<std::byte, crypto::kKeyBytes> out) noexcept;

/// How a peer is called in a log: `peer(AbCd…wXyZ)`, four characters of its public key from either
/// end.
[[nodiscard]] std::string peer_name(const crypto::PublicKey& key);

}  // namespace wg::settings
