// Bytes that must not outlive their use: keys, shared secrets, chaining keys.
//
// A `Secret` wipes itself when it ends, compares in constant time and cannot be printed: it has no
// stream operator and no formatter, so a log line with a key in it does not compile. Copies are
// allowed, since each copy wipes itself too. The tag makes each kind of key a type of its own: a
// preshared key does not pass for a private key.
//
// Not promised: copies that the compiler leaves in registers or spills to the stack.
#pragma once

#include <sodium.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace wg::crypto {

inline constexpr std::size_t kKeyBytes = 32;

template <class Tag, std::size_t Size = kKeyBytes>
class Secret {
 public:
  static constexpr std::size_t kSize = Size;

  Secret() noexcept = default;
  explicit Secret(std::span<const std::byte, Size> bytes) noexcept {
    std::memcpy(bytes_.data(), bytes.data(), Size);
  }
  Secret(const Secret&) noexcept = default;
  Secret& operator=(const Secret&) noexcept = default;
  ~Secret() { wipe(); }

  void wipe() noexcept { sodium_memzero(bytes_.data(), Size); }

  [[nodiscard]] std::span<const std::byte, Size> bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::byte, Size> bytes() noexcept { return bytes_; }
  [[nodiscard]] const unsigned char* data() const noexcept {
    return reinterpret_cast<const unsigned char*>(bytes_.data());
  }
  [[nodiscard]] unsigned char* data() noexcept {
    return reinterpret_cast<unsigned char*>(bytes_.data());
  }
  [[nodiscard]] bool is_zero() const noexcept { return sodium_is_zero(data(), Size) == 1; }

  friend bool operator==(const Secret& a, const Secret& b) noexcept {
    return sodium_memcmp(a.data(), b.data(), Size) == 0;
  }

 private:
  std::array<std::byte, Size> bytes_{};
};

using PrivateKey = Secret<struct PrivateKeyTag>;
using PresharedKey = Secret<struct PresharedKeyTag>;
using SharedSecret = Secret<struct SharedSecretTag>;
using SymmetricKey = Secret<struct SymmetricKeyTag>;

/// A Curve25519 public key. Not a secret: it names a peer, and may be compared, hashed and printed.
struct PublicKey {
  std::array<std::byte, kKeyBytes> bytes{};

  [[nodiscard]] const unsigned char* data() const noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
  }
  [[nodiscard]] unsigned char* data() noexcept {
    return reinterpret_cast<unsigned char*>(bytes.data());
  }
  friend bool operator==(const PublicKey&, const PublicKey&) noexcept = default;
};

/// Must be called once before anything else of this library; false if the system has no usable
/// randomness.
[[nodiscard]] inline bool initialise() noexcept {
  return sodium_init() >= 0;
}

}  // namespace wg::crypto
