// Which session a receiver index names. Indices are random 32-bit numbers: they tell an observer
// nothing.
//
// The table is striped by the low bits of the index; a look-up happens once per train.
//
// Runs on: any thread, at any time: handshakes come and go without holding the shards off.
// Guarded by: each stripe's mutex, its map.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>

#include "protocol/keypair.hpp"
#include "threads/mutex.hpp"

namespace wg::device {

class IndexTable final : public protocol::IndexRegistry {
 public:
  [[nodiscard]] protocol::ReceiverIndex claim(protocol::Session& owner) override;
  void release(protocol::ReceiverIndex index) noexcept override;
  /// Null if nobody has it. The session is good until the end of the caller's pass through the
  /// gate.
  [[nodiscard]] protocol::Session* find(protocol::ReceiverIndex index) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  static constexpr std::size_t kStripes = 64;
  struct alignas(64) Stripe {
    mutable Mutex mutex;
    boost::unordered_flat_map<std::uint32_t, protocol::Session*> sessions WG_GUARDED_BY(mutex);
  };
  [[nodiscard]] static std::size_t stripe_of(std::uint32_t index) noexcept {
    return index % kStripes;
  }

  std::array<Stripe, kStripes> stripes_;
};

}  // namespace wg::device
