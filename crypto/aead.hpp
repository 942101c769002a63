// ChaCha20-Poly1305 (RFC 8439) in the two shapes that WireGuard uses, and XChaCha20-Poly1305 for
// cookies.
//
// Transport data: whole trains. A train is the unit in which packets come and go (many packets
// under one key, known at once), so the seam takes all of it and the implementation behind it may
// work on the packets in any order or side by side. The implementation is chosen at build time
// (`aead_boringssl.cpp` or `aead_sodium.cpp`).
//
// Handshake: one message with additional data, by libsodium, where speed does not matter.
//
// WireGuard's nonce is 32 zero bits and then the counter, little-endian (whitepaper 5.4.6). The 32
// bits are a parameter all the same, so that published test cases with other nonces can be put
// through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "crypto/blake2s.hpp"
#include "crypto/secret.hpp"

namespace wg::crypto {

inline constexpr std::size_t kTagBytes = 16;

/// A packet to seal. `target`: room for `size` + 16 bytes; may be the same address as `source`, not
/// overlap it otherwise.
struct SealPacket {
  std::uint64_t counter;
  const std::byte* source;
  std::byte* target;
  std::size_t size;
};

/// A packet to open. `source`: `size` bytes of ciphertext and then the tag; `target` as above, room
/// for `size`.
struct OpenPacket {
  std::uint64_t counter;
  const std::byte* source;
  std::byte* target;
  std::size_t size;
  bool authentic = false;  // out; if false, what stands in `target` is no plaintext
};

/// The key of one direction of a keypair, expanded once. Immutable: any number of threads may use
/// it at once.
class TrainKey {
 public:
  explicit TrainKey(const SymmetricKey& key, std::uint32_t nonce_prefix = 0);
  TrainKey(const TrainKey&) = delete;
  TrainKey& operator=(const TrainKey&) = delete;
  ~TrainKey();

  void seal(std::span<const SealPacket> train) const noexcept;
  void open(std::span<OpenPacket> train) const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The library behind `TrainKey`, for `--version`.
[[nodiscard]] const char* train_library() noexcept;

/// RFC 8439's nonce of 96 bits.
using Nonce = std::array<unsigned char, 12>;

/// The nonce of a counter: the prefix, then the counter, both little-endian.
[[nodiscard]] constexpr Nonce nonce_of(std::uint64_t counter, std::uint32_t prefix = 0) noexcept {
  Nonce nonce{};
  for (unsigned i = 0; i < 4; i++) nonce[i] = static_cast<unsigned char>(prefix >> (8 * i));
  for (unsigned i = 0; i < 8; i++) nonce[4 + i] = static_cast<unsigned char>(counter >> (8 * i));
  return nonce;
}

/// Seals `plain` with additional data; `out`: plain.size() + 16 bytes.
void seal(const SymmetricKey& key, const Nonce& nonce, ByteView plain, ByteView additional,
          std::span<std::byte> out) noexcept;

/// Opens `sealed` (tag included) into `out`, of sealed.size() − 16 bytes. False: not authentic,
/// `out` holds no plaintext.
[[nodiscard]] bool open(const SymmetricKey& key, const Nonce& nonce, ByteView sealed,
                        ByteView additional, std::span<std::byte> out) noexcept;

inline constexpr std::size_t kXNonceBytes = 24;
using XNonce = std::array<std::byte, kXNonceBytes>;

void xseal(const SymmetricKey& key, const XNonce& nonce, ByteView plain, ByteView additional,
           std::span<std::byte> out) noexcept;
[[nodiscard]] bool xopen(const SymmetricKey& key, const XNonce& nonce, ByteView sealed,
                         ByteView additional, std::span<std::byte> out) noexcept;

}  // namespace wg::crypto
