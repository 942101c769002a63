#include "conn/receive_bound.hpp"

#include <algorithm>
#include <cmath>

namespace wg::conn {
namespace {

/// The kernel doubles the value, and then counts the memory that datagrams occupy: 1.2 times their
/// size in trains, more if they are small. So a buffer of this share of the bytes never holds more.
constexpr double kValueOfBytes = 0.6;
/// A change by less is not worth a system call.
constexpr double kWorthIt = 0.25;

}  // namespace

std::optional<int> ReceiveBound::received(std::size_t bytes, bool more,
                                          Clock::time_point now) noexcept {
  if (!more || !busy_) {  // run dry, it is the senders' rate and not ours
    busy_ = more;
    since_ = now;
    bytes_ = 0;
    return std::nullopt;
  }
  bytes_ += bytes;
  const auto elapsed = now - since_;
  if (elapsed < kMeasured) return std::nullopt;
  const double share = std::chrono::duration<double>(kWaitMax) / elapsed;
  const double wanted =
      std::clamp<double>(static_cast<double>(bytes_) * share * kValueOfBytes, kLeast, kMost);
  since_ = now;
  bytes_ = 0;
  if (std::abs(wanted - value_) < kWorthIt * value_) return std::nullopt;
  value_ = static_cast<int>(wanted);
  return value_;
}

}  // namespace wg::conn
