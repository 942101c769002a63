#include "tun/checksum.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace wg::tun {

// The loop over whole words is built once for each vector width, and the loader picks the one that
// the CPU has. Not under sanitizers: their run time is not ready yet when the loader asks.
#if defined(__x86_64__) && !defined(WG_SANITIZED)
#define WG_FOR_EACH_VECTOR_WIDTH __attribute__((target_clones("avx2", "default")))
#else
#define WG_FOR_EACH_VECTOR_WIDTH
#endif

namespace {

/// Halves that one sum in 32 bits has room for.
constexpr std::size_t kWordsPerSum = 65'536;

/// The sum of the words' halves. Each half has a sum of its own in lanes of 32 bits, so no lane has
/// to be widened on the way.
WG_FOR_EACH_VECTOR_WIDTH
std::uint64_t sum_of_words(const std::byte* at, std::size_t words) noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  for (std::size_t i = 0; i < words; i++) {
    std::uint32_t word;
    std::memcpy(&word, at + 4 * i, sizeof word);
    low += word & 0xffff;
    high += word >> 16;
  }
  return std::uint64_t{low} + high;
}

}  // namespace

std::uint64_t add_to_sum(std::uint64_t sum, std::span<const std::byte> bytes) noexcept {
  while (bytes.size() >= 4) {
    const std::size_t words = std::min(bytes.size() / 4, kWordsPerSum);
    sum += sum_of_words(bytes.data(), words);
    bytes = bytes.subspan(4 * words);
  }
  std::uint32_t rest = 0;  // missing bytes count as zero
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  return sum + rest;
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
  return sum + htons(protocol) + length_sum(length);
}

std::uint64_t length_sum(std::size_t length) noexcept {
  return htonl(static_cast<std::uint32_t>(length));
}

std::uint16_t update_checksum(std::uint16_t checksum, std::uint16_t before,
                              std::uint16_t after) noexcept {
  const std::uint64_t sum = std::uint64_t{static_cast<std::uint16_t>(~checksum)} +
                            static_cast<std::uint16_t>(~before) + after;
  return static_cast<std::uint16_t>(~fold(sum));
}

}  // namespace wg::tun
