// The clocks that the device hands to the protocol.
#pragma once

#include <ctime>

#include "protocol/clock.hpp"

namespace wg::device {

/// CLOCK_BOOTTIME: monotonic, and goes on while the machine sleeps, so that a session is too old
/// after a long suspend.
[[nodiscard]] inline protocol::Instant now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return protocol::Instant(std::chrono::seconds(time.tv_sec) +
                           std::chrono::nanoseconds(time.tv_nsec));
}

[[nodiscard]] inline protocol::WallTime wall_now() noexcept {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

}  // namespace wg::device
