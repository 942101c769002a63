// ChaCha20-Poly1305 (RFC 8439, without additional data) for trains: many packets under one key,
// known at once.
//
// Packets of equal length are sealed and opened side by side, one packet a lane of a wide vector,
// by a kernel for the CPU at hand (kernel.hpp); the others, one after another, by a library that
// the caller brings. This folder depends on nothing but the C++ library: it can be taken as it is.
//
// Secrets: a kernel's stack and vector registers are wiped before `seal_train` and `open_train`
// return. What the operating system saved of them at a context switch, and copies that the
// caller's own buffers hold, are out of its reach.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace wg::train {

inline constexpr std::size_t kKeyBytes = 32;
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
  bool authentic = false;  // out; if false, `target` holds no plaintext
};

/// One direction's key and the 32 bits of the nonce before the counter (0 in WireGuard). Both are
/// kept as little-endian words.
struct Key {
  std::array<std::uint32_t, kKeyBytes / 4> words;
  std::uint32_t nonce_prefix;
};

[[nodiscard]] Key make_key(std::span<const std::byte, kKeyBytes> bytes,
                           std::uint32_t nonce_prefix = 0) noexcept;

/// What takes the packets for which no kernel pays: a library, keyed with the same key.
class OneByOne {
 public:
  virtual ~OneByOne() = default;
  virtual void seal(const SealPacket& packet) const noexcept = 0;
  /// Sets `authentic`; if it is not, leaves no plaintext in `target`.
  virtual void open(OpenPacket& packet) const noexcept = 0;
};

struct Kernel;

/// Seals every packet of the train: any lengths in any order, any number. `kernel`: null for the
/// library alone. The packets must not overlap each other.
void seal_train(const Kernel* kernel, const Key& key, std::span<const SealPacket> train,
                const OneByOne& library) noexcept;
/// Opens them likewise. A packet that is not authentic does not disturb its neighbours, and its
/// target is zeroed before the call returns.
void open_train(const Kernel* kernel, const Key& key, std::span<OpenPacket> train,
                const OneByOne& library) noexcept;

}  // namespace wg::train
