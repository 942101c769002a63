// X25519 (RFC 7748) by libsodium.
#pragma once

#include <optional>

#include "crypto/secret.hpp"

namespace wg::crypto {

/// A new private key, clamped as wg(8) does it, so that it reads the same everywhere.
[[nodiscard]] PrivateKey generate_private_key() noexcept;

/// Sets and clears the bits that X25519 ignores.
void clamp(PrivateKey& key) noexcept;

[[nodiscard]] PublicKey public_key_of(const PrivateKey& key) noexcept;

/// The shared secret; none if it is all zero, that is if `remote` is a point of small order: such a
/// handshake must fail.
[[nodiscard]] std::optional<SharedSecret> agree(const PrivateKey& local,
                                                const PublicKey& remote) noexcept;

}  // namespace wg::crypto
