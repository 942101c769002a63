#include "protocol/tai64n.hpp"

#include <algorithm>

namespace wg::protocol {
namespace {

constexpr std::uint64_t kTai64Epoch =
    (1ULL << 62) + 10;  // 1970-01-01 UTC was ten seconds behind TAI

template <class Integer>
void put_big_endian(std::byte* out, Integer value) noexcept {
  for (std::size_t i = 0; i < sizeof(Integer); i++) {
    out[i] = static_cast<std::byte>(value >> (8 * (sizeof(Integer) - 1 - i)));
  }
}

}  // namespace

Tai64n tai64n(WallTime time) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto nanoseconds = time - seconds;
  Tai64n stamp;
  put_big_endian(stamp.bytes.data(),
                 kTai64Epoch + static_cast<std::uint64_t>(seconds.time_since_epoch().count()));
  put_big_endian(stamp.bytes.data() + 8, static_cast<std::uint32_t>(nanoseconds.count()));
  return stamp;
}

Tai64n Tai64nClock::next(WallTime now) noexcept {
  const auto since_epoch = now.time_since_epoch();
  const WallTime coarse{since_epoch - since_epoch % kTai64nStep};
  last_ = std::max(coarse, last_ + kTai64nStep);
  return tai64n(last_);
}

}  // namespace wg::protocol
