// TAI64N time stamps (whitepaper 5.1): 8 bytes of seconds since 1970 TAI plus 2^62, 4 bytes of
// nanoseconds, big-endian.
//
// They order a peer's initiations, so that an old one cannot be replayed. The clock of a stamp
// never runs backwards for one peer, also when the wall clock does, and it is coarsened, because a
// precise clock on the wire tells an observer more than the protocol needs.
#pragma once

#include <compare>

#include "protocol/clock.hpp"
#include "protocol/messages.hpp"

namespace wg::protocol {

struct Tai64n {
  Tai64nBytes bytes{};

  /// Later is greater: big-endian bytes compare as the time does.
  friend auto operator<=>(const Tai64n&, const Tai64n&) noexcept = default;
};

/// Steps of the stamps' clock: 2^24 ns, 16.8 ms, shorter than the least interval between two
/// initiations.
inline constexpr std::chrono::nanoseconds kTai64nStep{1 << 24};

[[nodiscard]] Tai64n tai64n(WallTime time) noexcept;

/// Gives the stamps of one peer's initiations: each later than all before.
class Tai64nClock {
 public:
  [[nodiscard]] Tai64n next(WallTime now) noexcept;

 private:
  WallTime last_{};
};

}  // namespace wg::protocol
