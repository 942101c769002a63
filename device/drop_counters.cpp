#include "device/drop_counters.hpp"

#include "device/clock.hpp"
#include "settings/key_text.hpp"

namespace wg::device {

void DropCounters::tell(DropReason reason, Counter& counter,
                        const crypto::PublicKey* peer) noexcept {
  constexpr std::chrono::seconds kBetweenLines{1};
  const protocol::Instant moment = now();
  protocol::Instant due = counter.next_line.load(std::memory_order_relaxed);
  if (moment < due || !counter.next_line.compare_exchange_strong(due, moment + kBetweenLines)) {
    return;
  }
  const DropRow& row = row_of(reason);
  log_->debug("{}{}dropped: {} ({}), {} in all", peer != nullptr ? settings::peer_name(*peer) : "",
              peer != nullptr ? ": " : "", row.name, row.sentence, of(reason));
}

}  // namespace wg::device
