// How large a socket's receive buffer may be so that nothing waits in it for longer than kWaitMax:
// as much as is taken out in that time while more is waiting.
//
// A queue that is bounded in bytes alone is a queue of half a second on a slow machine.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace wg::conn {

class ReceiveBound {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kWaitMax{10};
  /// Values of SO_RCVBUF, in bytes.
  static constexpr int kLeast = 256 << 10;
  static constexpr int kMost = 4 << 20;
  /// A rate is that of so long without a pause.
  static constexpr std::chrono::milliseconds kMeasured{50};

  /// `bytes` were received at once at `now`; `more`: perhaps there are more. The value to set, if
  /// it should be another one.
  [[nodiscard]] std::optional<int> received(std::size_t bytes, bool more,
                                            Clock::time_point now) noexcept;

 private:
  bool busy_ = false;
  Clock::time_point since_{};
  std::size_t bytes_ = 0;  // since then
  int value_ = kMost;
};

}  // namespace wg::conn
