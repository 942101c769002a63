// The four messages on the wire (whitepaper 5.4.2, 5.4.3, 5.4.6, 5.4.7), as structs, and the parser
// that makes them.
//
// The structs have alignment 1 and lie over the datagram's bytes. Past the parser nobody counts
// bytes: what holds a `const Initiation&` holds a datagram of the right size and type. Nothing here
// is authenticated yet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <variant>

#include "crypto/aead.hpp"
#include "crypto/blake2s.hpp"
#include "crypto/secret.hpp"

namespace wg::protocol {

using crypto::ByteView;
using crypto::PublicKey;
using crypto::SymmetricKey;

/// An integer on the wire, little-endian whatever the machine is.
template <class Integer>
class Little {
 public:
  constexpr Little() noexcept = default;
  constexpr Little(
      Integer value) noexcept {  // NOLINT(google-explicit-constructor): it *is* the integer
    for (std::size_t i = 0; i < sizeof(Integer); i++) {
      bytes_[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
  }
  constexpr operator Integer() const noexcept {  // NOLINT(google-explicit-constructor)
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); i++) {
      value = static_cast<Integer>(value | static_cast<Integer>(Integer{bytes_[i]} << (8 * i)));
    }
    return value;
  }

 private:
  std::array<std::uint8_t, sizeof(Integer)> bytes_{};
};
using LittleU32 = Little<std::uint32_t>;
using LittleU64 = Little<std::uint64_t>;

/// Names a keypair or a handshake to the side that chose it; random (never counted up: an observer
/// must not link sessions).
enum class ReceiverIndex : std::uint32_t {};

/// A receiver index on the wire.
class LittleIndex {
 public:
  constexpr LittleIndex() noexcept = default;
  constexpr LittleIndex(ReceiverIndex index) noexcept  // NOLINT(google-explicit-constructor)
      : value_(static_cast<std::uint32_t>(index)) {}
  constexpr operator ReceiverIndex() const noexcept {  // NOLINT(google-explicit-constructor)
    return static_cast<ReceiverIndex>(static_cast<std::uint32_t>(value_));
  }

 private:
  LittleU32 value_;
};

/// The type and the three reserved zero bytes behind it, read as one integer: one comparison checks
/// all four.
enum class MessageType : std::uint32_t {
  Initiation = 1,
  Response = 2,
  CookieReply = 3,
  TransportData = 4,
};

template <std::size_t PlainBytes>
using Sealed = std::array<std::byte, PlainBytes + crypto::kTagBytes>;

inline constexpr std::size_t kTai64nBytes = 12;
using Tai64nBytes = std::array<std::byte, kTai64nBytes>;

struct Macs {
  crypto::Mac mac1{};
  crypto::Mac mac2{};
};

/// Handshake initiation (5.4.2), 148 bytes.
struct Initiation {
  LittleU32 type = static_cast<std::uint32_t>(MessageType::Initiation);
  LittleIndex sender;
  PublicKey ephemeral;
  Sealed<crypto::kKeyBytes> sealed_static;
  Sealed<kTai64nBytes> sealed_timestamp;
  Macs macs;
};
static_assert(sizeof(Initiation) == 148 && alignof(Initiation) == 1);

/// Handshake response (5.4.3), 92 bytes.
struct Response {
  LittleU32 type = static_cast<std::uint32_t>(MessageType::Response);
  LittleIndex sender;
  LittleIndex receiver;
  PublicKey ephemeral;
  Sealed<0> sealed_nothing;
  Macs macs;
};
static_assert(sizeof(Response) == 92 && alignof(Response) == 1);

/// Cookie reply (5.4.7), 64 bytes.
struct CookieReply {
  LittleU32 type = static_cast<std::uint32_t>(MessageType::CookieReply);
  LittleIndex receiver;
  crypto::XNonce nonce;
  Sealed<crypto::kMacBytes> sealed_cookie;
};
static_assert(sizeof(CookieReply) == 64 && alignof(CookieReply) == 1);

/// Header of a transport data message (5.4.6), 16 bytes; the ciphertext and its tag follow.
struct TransportDataHeader {
  LittleU32 type = static_cast<std::uint32_t>(MessageType::TransportData);
  LittleIndex receiver;
  LittleU64 counter;
};
static_assert(sizeof(TransportDataHeader) == 16 && alignof(TransportDataHeader) == 1);

/// A transport data message without content: a keepalive, 32 bytes.
struct Keepalive {
  TransportDataHeader header;
  Sealed<0> sealed_nothing;
};
static_assert(sizeof(Keepalive) == 32 && alignof(Keepalive) == 1);

/// Bytes that a transport data message is longer than the (padded) inner packet in it.
inline constexpr std::size_t kTransportOverhead = sizeof(TransportDataHeader) + crypto::kTagBytes;

/// A datagram known to be a transport data message. Borrows the datagram's bytes.
struct TransportData {
  ReceiverIndex receiver;
  std::uint64_t counter;
  std::span<std::byte>
      sealed;  // ciphertext and its tag, 16 bytes at least; 16 exactly is a keepalive
};

/// What a datagram claims to be; `std::monostate` if it is no WireGuard message at all. Pointers
/// borrow the datagram.
using Message = std::variant<std::monostate, TransportData, const Initiation*, const Response*,
                             const CookieReply*>;
[[nodiscard]] Message parse_message(std::span<std::byte> datagram) noexcept;

/// The bytes of a message struct.
template <class Struct>
[[nodiscard]] ByteView bytes_of(const Struct& message) noexcept {
  return std::as_bytes(std::span<const Struct, 1>(&message, 1));
}

/// The part of an initiation or response that mac1 covers: all before the macs.
template <class Struct>
[[nodiscard]] ByteView mac1_span(const Struct& message) noexcept {
  return bytes_of(message).first(sizeof(Struct) - sizeof(Macs));
}
/// The part that mac2 covers: all before it, so mac1 too.
template <class Struct>
[[nodiscard]] ByteView mac2_span(const Struct& message) noexcept {
  return bytes_of(message).first(sizeof(Struct) - sizeof(crypto::Mac));
}

/// Size of the plaintext that carries an inner packet of `size` bytes: padded to 16, but never past
/// the MTU (5.4.6).
[[nodiscard]] std::size_t padded_size(std::size_t size, std::size_t mtu) noexcept;

}  // namespace wg::protocol
