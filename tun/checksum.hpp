// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
//
// Sums are kept wide, in the machine's byte order, and folded once at the end: the sum of
// byte-swapped words is the byte-swapped sum. A 64-bit sum of 32-bit words cannot overflow below 16
// GiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace wg::tun {

/// Adds `bytes` to `sum`. Every part but the last must be of even length.
[[nodiscard]] std::uint64_t add_to_sum(std::uint64_t sum,
                                       std::span<const std::byte> bytes) noexcept;

/// Folds to 16 bits, in the byte order of the wire. Not complemented.
[[nodiscard]] std::uint16_t fold(std::uint64_t sum) noexcept;

/// The sum of the pseudo-header of TCP and UDP: both addresses, the protocol, the length of
/// transport header and payload.
[[nodiscard]] std::uint64_t pseudo_header_sum(std::span<const std::byte> source,
                                              std::span<const std::byte> destination,
                                              std::uint8_t protocol, std::size_t length) noexcept;

/// What a length is in the sum of a pseudo-header.
[[nodiscard]] std::uint64_t length_sum(std::size_t length) noexcept;

/// RFC 1624: the checksum after one covered 16-bit word went from `before` to `after`. All in wire
/// order.
[[nodiscard]] std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before,
                                            std::uint16_t after) noexcept;

}  // namespace wg::tun
