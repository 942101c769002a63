// What both kernels do alike. For inclusion by a kernel's source file only: all of it is in an
// unnamed namespace, so that what is compiled with a kernel's instructions stays in its file.
#pragma once

#include <cstring>

#include "crypto/train/kernel.hpp"

namespace wg::train {
namespace {

constexpr std::size_t kBlock = 64;     // of ChaCha20
constexpr std::size_t kMacBlock = 16;  // of Poly1305

/// The packets' tags, as little-endian halves.
struct Tags {
  alignas(64) std::uint64_t low[kLanesMax];
  alignas(64) std::uint64_t high[kLanesMax];
};

inline void write_tag(std::byte* to, const Tags& tags, std::size_t lane) {
  std::memcpy(to, &tags.low[lane], sizeof tags.low[lane]);
  std::memcpy(to + sizeof tags.low[lane], &tags.high[lane], sizeof tags.high[lane]);
}

/// Puts each tag behind its ciphertext.
inline void write_tags(const Group& group, const Tags& tags) {
  for (std::size_t i = 0; i < group.count; i++) {
    write_tag(group.targets[i] + group.size, tags, i);
  }
}

/// Bit i: the tag that came with packet i is the computed one. All of its 16 bytes are compared at
/// once: what is learned is only whether they are equal.
[[nodiscard]] inline std::uint32_t compare_tags(const Group& group, const Tags& tags) {
  std::uint32_t right = 0;
  for (std::size_t i = 0; i < group.count; i++) {
    std::uint64_t low, high;
    std::memcpy(&low, group.sources[i] + group.size, sizeof low);
    std::memcpy(&high, group.sources[i] + group.size + sizeof low, sizeof high);
    const std::uint64_t different = (low ^ tags.low[i]) | (high ^ tags.high[i]);
    right |= static_cast<std::uint32_t>(different == 0) << i;
  }
  return right;
}

/// The 8 bytes at `offset` of `kCount` places, for a vector of 64-bit lanes.
template <std::size_t kCount>
struct Gathered {
  alignas(64) std::uint64_t lanes[kCount];
  Gathered(const std::byte* const* places, std::size_t offset) {
    for (std::size_t i = 0; i < kCount; i++) std::memcpy(&lanes[i], places[i] + offset, 8);
  }
};

}  // namespace
}  // namespace wg::train
