// ChaCha20-Poly1305 (RFC 8439) in the two shapes that WireGuard uses, and XChaCha20-Poly1305 for
// cookies.
//
// Transport data: whole trains. A train is the unit in which packets come and go (many packets
// under one key, known at once), so the seam takes all of it: packets of one length are done side
// by side by a kernel of crypto/train/, chosen once at start, and what no kernel pays for by a
// library, chosen at build time.
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
#include <iosfwd>
#include <memory>
#include <span>
#include <string_view>

#include "crypto/blake2s.hpp"
#include "crypto/secret.hpp"
#include "crypto/train/train.hpp"

namespace wg::crypto {

using train::kTagBytes;
using train::OpenPacket;
using train::SealPacket;

/// The key of one direction of a keypair, expanded once. Immutable: any number of threads may use
/// it at once.
class TrainKey {
 public:
  explicit TrainKey(const SymmetricKey& key, std::uint32_t nonce_prefix = 0);
  TrainKey(const TrainKey&) = delete;
  TrainKey& operator=(const TrainKey&) = delete;
  ~TrainKey();

  void seal(std::span<const SealPacket> train) const noexcept {
    train::seal_train(kernel_, key_, train, *library_);
  }
  void open(std::span<OpenPacket> train) const noexcept {
    train::open_train(kernel_, key_, train, *library_);
  }

 private:
  const train::Kernel* kernel_;
  train::Key key_;
  std::unique_ptr<const train::OneByOne> library_;
};

enum class KernelChoice : std::uint8_t { Taken, NotUsableHere, Unknown };
std::ostream& operator<<(std::ostream& out, KernelChoice choice);

/// Chooses what seals the trains of all keys that are made from now on: a kernel by its name
/// ("avx512", "avx2"), "library" for none, "auto" for the fastest that this CPU and system can run.
/// Until it is called: auto. To be called once, before there are threads.
KernelChoice choose_train_kernel(std::string_view name) noexcept;
/// The chosen one's name, "library" if it is none.
[[nodiscard]] const char* train_kernel() noexcept;
/// The library behind it all, for `--version`.
[[nodiscard]] const char* train_library() noexcept;

/// The library keyed with `key`: by the one of `aead_boringssl.cpp` and `aead_sodium.cpp` that was
/// chosen at build time.
[[nodiscard]] std::unique_ptr<const train::OneByOne> make_library_key(const SymmetricKey& key,
                                                                      std::uint32_t nonce_prefix);

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
