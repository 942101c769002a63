#include "conn/frame.hpp"

#include <libdeflate.h>

#include <ostream>

namespace wg::conn {
namespace {

[[nodiscard]] std::uint32_t checksum(std::span<const std::byte> message) noexcept {
  return libdeflate_crc32(0, message.data(), message.size());
}

}  // namespace

std::ostream& operator<<(std::ostream& out, FrameStatus status) {
  switch (status) {
    case FrameStatus::Whole:
      return out << "whole";
    case FrameStatus::Incomplete:
      return out << "incomplete";
    case FrameStatus::EmptyMessage:
      return out << "empty message";
    case FrameStatus::TooLong:
      return out << "too long";
    case FrameStatus::WrongChecksum:
      return out << "wrong checksum";
  }
  return out;
}

FrameHeader frame_header(std::span<const std::byte> message) noexcept {
  const std::uint32_t crc = checksum(message);
  FrameHeader header;
  for (unsigned i = 0; i < 2; i++) header[i] = static_cast<std::byte>(message.size() >> (8 * i));
  for (unsigned i = 0; i < 4; i++) header[2 + i] = static_cast<std::byte>(crc >> (8 * i));
  return header;
}

std::size_t message_length(std::span<const std::byte> frame) noexcept {
  return std::to_integer<std::size_t>(frame[0]) | std::to_integer<std::size_t>(frame[1]) << 8;
}

Frame first_frame(std::span<std::byte> bytes) noexcept {
  if (bytes.size() < kFrameLengthBytes) {
    return {.status = FrameStatus::Incomplete, .message = {}};
  }
  const std::size_t length = message_length(bytes);
  if (length == 0) return {.status = FrameStatus::EmptyMessage, .message = {}};
  if (length > kFrameMessageMax) return {.status = FrameStatus::TooLong, .message = {}};
  if (bytes.size() < kFrameHeaderBytes + length) {
    return {.status = FrameStatus::Incomplete, .message = {}};
  }
  std::uint32_t crc = 0;
  for (unsigned i = 0; i < 4; i++) crc |= std::to_integer<std::uint32_t>(bytes[2 + i]) << (8 * i);
  const auto message = bytes.subspan(kFrameHeaderBytes, length);
  if (checksum(message) != crc) return {.status = FrameStatus::WrongChecksum, .message = {}};
  return {.status = FrameStatus::Whole, .message = message, .size = kFrameHeaderBytes + length};
}

const char* reason_of(FrameStatus status) noexcept {
  switch (status) {
    case FrameStatus::Whole:
    case FrameStatus::Incomplete:
      break;
    case FrameStatus::EmptyMessage:
      return "a frame of no message";
    case FrameStatus::TooLong:
      return "a frame of more than 65,530 bytes";
    case FrameStatus::WrongChecksum:
      return "a frame whose checksum is wrong";
  }
  return "no error";
}

}  // namespace wg::conn
