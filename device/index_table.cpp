#include "device/index_table.hpp"

#include <sodium.h>

namespace wg::device {

using protocol::ReceiverIndex;

ReceiverIndex IndexTable::claim(protocol::Session& owner) {
  for (;;) {
    const std::uint32_t index = randombytes_random();
    Stripe& stripe = stripes_[stripe_of(index)];
    const Lock lock(stripe.mutex);
    if (stripe.sessions.emplace(index, &owner).second) return ReceiverIndex{index};
  }
}

void IndexTable::release(ReceiverIndex index) noexcept {
  const auto key = static_cast<std::uint32_t>(index);
  Stripe& stripe = stripes_[stripe_of(key)];
  const Lock lock(stripe.mutex);
  stripe.sessions.erase(key);
}

protocol::Session* IndexTable::find(ReceiverIndex index) const noexcept {
  const auto key = static_cast<std::uint32_t>(index);
  const Stripe& stripe = stripes_[stripe_of(key)];
  const Lock lock(stripe.mutex);
  const auto found = stripe.sessions.find(key);
  return found == stripe.sessions.end() ? nullptr : found->second;
}

std::size_t IndexTable::size() const noexcept {
  std::size_t all = 0;
  for (const Stripe& stripe : stripes_) {
    const Lock lock(stripe.mutex);
    all += stripe.sessions.size();
  }
  return all;
}

}  // namespace wg::device
