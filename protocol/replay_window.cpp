#include "protocol/replay_window.hpp"

#include <algorithm>

#include "protocol/constants.hpp"

namespace wg::protocol {

bool ReplayWindow::accept(std::uint64_t counter) noexcept {
  if (counter >= kRejectAfterMessages) return false;
  if (end_ > counter && end_ - counter > kUsableBits) return false;

  const std::uint64_t block = counter / kBlockBits;
  if (counter >= end_) {
    const std::uint64_t newest = end_ == 0 ? 0 : (end_ - 1) / kBlockBits;
    const std::uint64_t to_clear = std::min<std::uint64_t>(block - newest, kBlocks);
    for (std::uint64_t i = 1; i <= to_clear; i++) blocks_[(newest + i) % kBlocks] = 0;
    end_ = counter + 1;
  }

  std::uint64_t& bits = blocks_[block % kBlocks];
  const std::uint64_t bit = 1ULL << (counter % kBlockBits);
  if ((bits & bit) != 0) return false;
  bits |= bit;
  return true;
}

}  // namespace wg::protocol
