// Which counters of a keypair have been seen (whitepaper 5.4.6; RFC 6479's ring of blocks).
//
// 8192 bits in 128 blocks. The block being filled is shared by the newest and the oldest counters,
// so the usable window is 8128. `accept` only after the tag has been verified: an attacker who
// could move the window with forged counters could shut honest packets out. Not thread-safe: the
// session's lock guards it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wg::protocol {

class ReplayWindow {
 public:
  static constexpr std::size_t kBits = 8192;
  static constexpr std::size_t kBlockBits = 64;
  static constexpr std::size_t kUsableBits = kBits - kBlockBits;

  /// True the first time an authentic packet's counter is seen; false if it was seen before, is
  /// older than the window, or is past Reject-After-Messages.
  [[nodiscard]] bool accept(std::uint64_t counter) noexcept;

 private:
  static constexpr std::size_t kBlocks = kBits / kBlockBits;

  std::uint64_t end_ = 0;  // one past the greatest counter accepted
  std::array<std::uint64_t, kBlocks> blocks_{};
};

}  // namespace wg::protocol
