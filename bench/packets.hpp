// Packets of one size to be sealed as a train and opened again.
#pragma once

#include <vector>

#include "crypto/aead.hpp"

namespace wg::bench {

/// Sealing reads `plain` and writes `sealed`, opening the other way round.
struct Packets {
  Packets(std::size_t count, std::size_t size)
      : plain(count * (size + kApart)), sealed(plain.size()) {
    for (std::size_t i = 0; i < count; i++) {
      std::byte* const in = plain.data() + i * (size + kApart);
      std::byte* const out = sealed.data() + i * (size + kApart);
      seal.push_back({.counter = i, .source = in, .target = out, .size = size});
      open.push_back({.counter = i, .source = out, .target = in, .size = size});
    }
  }

  static constexpr std::size_t kApart = 64;  // room for the tag, and lines of their own
  std::vector<std::byte> plain, sealed;
  std::vector<crypto::SealPacket> seal;
  std::vector<crypto::OpenPacket> open;
};

}  // namespace wg::bench
