// When a saturated shard hands the last step of its way to another one (hand_over.hpp).
//
// Time is divided into stretches. After one in which a shard had a core to itself and used all of
// it while another shard was idle, the other one helps, as a trial: for a stretch in which the
// scheduler gets used to it, and one that counts. Help goes on if it has brought something. That an
// idle shard has no idle core (other programs have it) thus ends the trial. Help ends when one of
// them could do what there is to do alone, or less comes through than without it.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "protocol/clock.hpp"

namespace wg::device {

/// The decision alone, of what is measured elsewhere.
class HelpDecision {
 public:
  static constexpr std::chrono::milliseconds kStretch{50};
  /// Shares of a core.
  static constexpr double kSaturated = 0.9;
  static constexpr double kIdle = 0.3;
  static constexpr double kOneCouldDo = 0.8;  // both together
  /// Of the bytes without help: what a trial must reach; and what is enough if the shard is
  /// relieved, and later.
  static constexpr double kGain = 1.1;
  static constexpr double kNoLoss = 0.97;
  /// After help that has brought nothing; doubled each time.
  static constexpr std::chrono::seconds kPauseMin{1};
  static constexpr std::chrono::seconds kPauseMax{16};

  struct Stretch {
    std::chrono::nanoseconds time;
    std::chrono::nanoseconds own;     // the shard's CPU time
    std::chrono::nanoseconds helper;  // that of its helper, or of who would be
    std::uint64_t bytes;
  };

  /// Whether the shard is helped in the next stretch.
  [[nodiscard]] bool after(const Stretch& stretch, protocol::Instant now) noexcept;

 private:
  enum class State : std::uint8_t { Alone, Settling, Trial, Helped };

  void give_up(protocol::Instant now) noexcept;

  State state_ = State::Alone;
  double rate_alone_ = 0;  // bytes a nanosecond, before the trial
  std::chrono::seconds pause_ = kPauseMin;
  protocol::Instant not_before_ = protocol::Instant::min();
};

/// Auto: as decided. The others are for tests and comparisons.
enum class HelpMode : std::uint8_t { Auto, Always, Never };

class ShardThreads;

/// Measures for the decision, and chooses who helps. The shard's own.
class Help {
 public:
  /// No core is full with so few bytes in a stretch: nothing is measured then, which would cost a
  /// quiet tunnel's packets some microseconds each.
  static constexpr std::uint64_t kQuietBytes = 64 * 1024;

  Help(HelpMode mode, const ShardThreads& threads, std::size_t shard, spdlog::logger& log);

  /// Whoever helps with the next batch, or null.
  [[nodiscard]] boost::asio::io_context* helper() const noexcept { return helper_; }
  /// After each batch of `bytes`.
  void after_batch(std::size_t bytes, protocol::Instant now);

 private:
  void decide(protocol::Instant now);
  [[nodiscard]] std::size_t idlest() const;
  /// The shard's CPU time in the stretch that has ended.
  [[nodiscard]] std::chrono::nanoseconds worked(std::size_t shard) const {
    return at_end_[shard] - at_begin_[shard];
  }

  const ShardThreads& threads_;
  const std::size_t shard_;
  spdlog::logger& log_;
  bool decides_ = false;
  HelpDecision decision_;
  boost::asio::io_context* helper_ = nullptr;
  std::size_t helping_shard_ = 0;

  // The stretch:
  protocol::Instant begun_{};
  bool measured_ = false;  // the CPU times were read at its beginning
  std::uint64_t bytes_ = 0;
  std::vector<std::chrono::nanoseconds> at_begin_, at_end_;  // CPU times of all shards
};

}  // namespace wg::device
