// How many packets were not passed on, for each reason. Nothing is dropped without one. At debug
// level the log tells of each reason too, with the peer if one is known, but only once a second: a
// flood must not become a flood of lines. What senders who have not authenticated can cause is told
// here and nowhere else.
#pragma once

#include <spdlog/logger.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "crypto/secret.hpp"
#include "device/drop_reasons.hpp"
#include "protocol/clock.hpp"

namespace wg::device {

/// Runs on: any thread.
class DropCounters {
 public:
  explicit DropCounters(std::shared_ptr<spdlog::logger> log) : log_(std::move(log)) {}

  /// `peer`: whose packets they were, if that is known.
  void add(DropReason reason, std::uint64_t packets = 1,
           const crypto::PublicKey* peer = nullptr) noexcept {
    Counter& counter = counters_[static_cast<std::size_t>(reason)];
    counter.packets.fetch_add(packets, std::memory_order_relaxed);
    if (log_->should_log(spdlog::level::debug)) tell(reason, counter, peer);
  }
  [[nodiscard]] std::uint64_t of(DropReason reason) const noexcept {
    return counters_[static_cast<std::size_t>(reason)].packets.load(std::memory_order_relaxed);
  }

 private:
  struct Counter {
    std::atomic<std::uint64_t> packets{0};
    std::atomic<protocol::Instant> next_line{protocol::Instant::min()};
  };
  void tell(DropReason reason, Counter& counter, const crypto::PublicKey* peer) noexcept;

  std::shared_ptr<spdlog::logger> log_;
  std::array<Counter, kDropReasons> counters_;
};

}  // namespace wg::device
