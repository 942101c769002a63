// Keys as text: base64 as wg(8) prints them, hex as UAPI carries them.
//
// Secrets are decoded without table look-ups and branches on their value (libsodium's codecs);
// texts of secrets are the caller's to wipe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret.hpp"

namespace wg::settings {

/// 44 characters.
[[nodiscard]] std::string to_base64(std::span<const std::byte, crypto::kKeyBytes> key);
/// 64 lower-case characters.
[[nodiscard]] std::string to_hex(std::span<const std::byte, crypto::kKeyBytes> key);

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
