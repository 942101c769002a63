// How much one source may ask for: a token bucket per source address, in a table of fixed size.
//
// Sources fall into buckets by a keyed hash, two candidates each (the fuller history stays); nobody
// can choose whom to share a bucket with, and no number of sources makes the table grow. A
// forgotten source starts anew with a full burst, so an overflow errs on the side of honest peers.
//
// Guarded by: whoever owns it, the token bucket as well.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>

#include "protocol/clock.hpp"

namespace wg::device {

/// For everybody together: `per_second` on average, `burst` at once.
class TokenBucket {
 public:
  constexpr TokenBucket(unsigned per_second, unsigned burst) noexcept
      : token_(std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second),
        burst_(token_ * burst) {}

  /// Takes a token; false if there is none left.
  [[nodiscard]] bool allow(protocol::Instant now) noexcept { return allow(full_at_, now); }

 private:
  friend class RateLimiter;
  /// A bucket is when it will be full again: it holds (full_at − now) less than the burst.
  [[nodiscard]] bool allow(protocol::Instant& full_at, protocol::Instant now) const noexcept {
    const auto after = std::max(full_at, now) + token_;
    if (after - now > burst_) return false;
    full_at = after;
    return true;
  }

  std::chrono::nanoseconds token_;
  std::chrono::nanoseconds burst_;
  protocol::Instant full_at_{};
};

class RateLimiter {
 public:
  /// `per_second` on average, `burst` at once.
  RateLimiter(unsigned per_second, unsigned burst);

  /// Takes a token of `source`'s; false if it has none left.
  [[nodiscard]] bool allow(std::uint64_t source, protocol::Instant now) noexcept;

 private:
  static constexpr std::size_t kBuckets = 1 << 13;
  struct Bucket {
    std::uint64_t owner = 0;  // the source's hash; 0: free
    protocol::Instant full_at{};
  };

  [[nodiscard]] std::uint64_t hash(std::uint64_t source) const noexcept;

  TokenBucket rate_;
  std::array<unsigned char, 16> hash_key_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace wg::device
