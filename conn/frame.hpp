// How WireGuard messages travel over a stream, as wireguard-go-vsock speaks it: each is a frame of
//
//   length of the message   u16, little-endian, 1 to 65,530
//   CRC-32 of the message   u32, little-endian (IEEE 802.3, as in zlib)
//   the message
//
// The checksum finds a stream that has lost its place; it protects from nobody. What is no frame
// ends the connection: where the next one begins is unknown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>

namespace wg::conn {

inline constexpr std::size_t kFrameLengthBytes = 2;
inline constexpr std::size_t kFrameHeaderBytes = kFrameLengthBytes + 4;
inline constexpr std::size_t kFrameMessageMax = 65'530;
inline constexpr std::size_t kFrameMax = kFrameHeaderBytes + kFrameMessageMax;

using FrameHeader = std::array<std::byte, kFrameHeaderBytes>;

/// Whether a message can travel at all: its length has two bytes.
[[nodiscard]] constexpr bool fits_frame(std::span<const std::byte> message) noexcept {
  return !message.empty() && message.size() <= kFrameMessageMax;
}
/// `message` fits.
[[nodiscard]] FrameHeader frame_header(std::span<const std::byte> message) noexcept;
/// The length that a frame's first bytes claim, possible or not; there are kFrameLengthBytes.
[[nodiscard]] std::size_t message_length(std::span<const std::byte> frame) noexcept;

enum class FrameStatus : std::uint8_t { Whole, Incomplete, EmptyMessage, TooLong, WrongChecksum };
std::ostream& operator<<(std::ostream& out, FrameStatus status);

/// What stands at the beginning of a stream's bytes.
struct Frame {
  FrameStatus status;
  std::span<std::byte> message;  // of a whole one
  std::size_t size = 0;          // of a whole one, header included
};

/// Looks at the first frame of `bytes`. A length that cannot be is noticed before the message has
/// come.
[[nodiscard]] Frame first_frame(std::span<std::byte> bytes) noexcept;

/// Why a stream that is not `Whole` or `Incomplete` was given up, for the log.
[[nodiscard]] const char* reason_of(FrameStatus status) noexcept;

}  // namespace wg::conn
