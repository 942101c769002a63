#include "tun/checksum.hpp"

#include <arpa/inet.h>

#include <cstring>

namespace wg::tun {

std::uint64_t add_to_sum(std::uint64_t sum, std::span<const std::byte> bytes) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  // Whole 32-bit words, in a loop plain enough for the compiler to make vectors of it.
  const std::size_t words = left / 4;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < words; i++) {
    std::uint32_t word;
    std::memcpy(&word, at + 4 * i, sizeof word);
    total += word;
  }
  at += 4 * words;
  left -= 4 * words;
  if (left >= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, sizeof word);
    total += word;
    at += 2;
    left -= 2;
  }
  if (left == 1) {
    std::uint16_t word = 0;  // the missing byte counts as zero
    std::memcpy(&word, at, 1);
    total += word;
  }
  return sum + total;
}

std::uint16_t fold(std::uint64_t sum) noexcept {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(sum);
}

std::uint64_t pseudo_header_sum(std::span<const std::byte> source,
                                std::span<const std::byte> destination, std::uint8_t protocol,
                                std::size_t length) noexcept {
  std::uint64_t sum = add_to_sum(0, source);
  sum = add_to_sum(sum, destination);
  return sum + htons(protocol) + htonl(static_cast<std::uint32_t>(length));
}

std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before,
                              std::uint16_t after) noexcept {
  const std::uint64_t sum = std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                            static_cast<std::uint16_t>(~before) + after;
  return static_cast<std::uint16_t>(~fold(sum));
}

}  // namespace wg::tun
