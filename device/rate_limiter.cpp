#include "device/rate_limiter.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace wg::device {

RateLimiter::RateLimiter(unsigned per_second, unsigned burst)
    : rate_(per_second, burst), buckets_(std::make_unique<Bucket[]>(kBuckets)) {
  static_assert(std::tuple_size_v<decltype(hash_key_)> == crypto_shorthash_KEYBYTES);
  randombytes_buf(hash_key_.data(), hash_key_.size());
}

std::uint64_t RateLimiter::hash(std::uint64_t source) const noexcept {
  unsigned char out[crypto_shorthash_BYTES];
  crypto_shorthash(out, reinterpret_cast<const unsigned char*>(&source), sizeof source,
                   hash_key_.data());
  std::uint64_t value;
  std::memcpy(&value, out, sizeof value);
  return value | 1;  // never the mark of a free bucket
}

bool RateLimiter::allow(std::uint64_t source, protocol::Instant now) noexcept {
  const std::uint64_t owner = hash(source);
  Bucket& first = buckets_[(owner >> 8) % kBuckets];
  Bucket& second = buckets_[(owner >> 32) % kBuckets];
  Bucket* bucket = first.owner == owner ? &first : &second;
  if (bucket->owner != owner) {
    bucket = first.full_at <= second.full_at ? &first : &second;
    *bucket = Bucket{.owner = owner, .full_at = now};
  }
  return rate_.allow(bucket->full_at, now);
}

}  // namespace wg::device
