// Time as the protocol sees it: handed in, never asked for.
#pragma once

#include <chrono>

namespace wg::protocol {

/// Monotonic time that goes on while the machine sleeps. It has no `now()`: whoever calls the
/// protocol brings the time, the device from CLOCK_BOOTTIME, a simulation from its own.
struct SessionClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<SessionClock>;
  static constexpr bool is_steady = true;
};
using Instant = SessionClock::time_point;

/// Wall-clock time: only for TAI64N stamps and for `last_handshake_time`.
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

/// "Never", as a deadline.
inline constexpr Instant kNever = Instant::max();

}  // namespace wg::protocol
