// BLAKE2s (RFC 7693) and what WireGuard makes of it: the hash, the keyed MAC, HMAC and the KDF of
// whitepaper 5.4.
//
// The compression function is libb2's; HMAC and KDF are the constructions of RFC 2104 and RFC 5869
// over it, as Noise asks for them. Any thread; nothing here fails.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>

#include "crypto/secret.hpp"

namespace wg::crypto {

inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kMacBytes = 16;

using ByteView = std::span<const std::byte>;
using Hash = std::array<std::byte, kHashBytes>;
using Mac = std::array<std::byte, kMacBytes>;
using ChainingKey = Secret<struct ChainingKeyTag>;

/// HASH(a || b || …): BLAKE2s of 32 bytes over the concatenation of `parts`.
[[nodiscard]] Hash hash(std::initializer_list<ByteView> parts) noexcept;

/// MAC(key, a || b || …): keyed BLAKE2s of 16 bytes. `key`: 1…32 bytes.
[[nodiscard]] Mac mac(ByteView key, std::initializer_list<ByteView> parts) noexcept;

/// HMAC(key, a || b): HMAC-BLAKE2s of 32 bytes; `key` of 1…64 bytes.
void hmac(ByteView key, std::initializer_list<ByteView> parts,
          std::span<std::byte, kHashBytes> out) noexcept;

/// KDF_n(key, input) with n = outputs.size(), 1…3: fills the outputs in order (whitepaper 5.4).
void kdf(ByteView key, ByteView input,
         std::initializer_list<std::span<std::byte, kHashBytes>> outputs) noexcept;

/// The bytes of a text, without its terminating zero.
template <std::size_t N>
[[nodiscard]] ByteView text_bytes(const char (&text)[N]) noexcept {
  return {reinterpret_cast<const std::byte*>(text), N - 1};
}

}  // namespace wg::crypto
