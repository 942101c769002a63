// When a saturated shard lets another one do the last step of its way in (pipeline.hpp).
//
// Time is divided into stretches. A pipeline begins as a trial after a stretch in which the shard
// had a core to itself and used all of it, while another shard was idle; it goes on if it has
// brought something. That an idle shard has no idle core, because other programs have it, thus ends
// the trial.
//
//   state    | the stretch that has ended                            | next
//   Alone    | saturated, another idle, no pause                     | Settling
//   Settling | (the scheduler gets used to it)                       | Trial
//   Trial    | kGain more came through, or as much with relief       | Pipelined
//   Trial    | neither                                               | Alone, with a pause
//   Pipelined| one of them could do alone what there is to do        | Alone
//   Pipelined| less comes through than without                       | Alone, with a pause
//   Pipelined| else                                                  | Pipelined
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <vector>

#include "protocol/clock.hpp"

namespace wg::device {

/// The decision alone, of what is measured elsewhere.
class PipelineTrial {
 public:
  static constexpr std::chrono::milliseconds kStretch{50};
  /// Shares of a core.
  static constexpr double kSaturated = 0.9;
  static constexpr double kIdle = 0.3;
  static constexpr double kOneCouldDo = 0.8;  // both together
  /// Of the bytes without a pipeline: what a trial must reach, and what is enough if the shard is
  /// relieved, and later.
  static constexpr double kGain = 1.1;
  static constexpr double kNoLoss = 0.97;
  /// After a trial that has brought nothing; doubled each time.
  static constexpr std::chrono::seconds kPauseMin{1};
  static constexpr std::chrono::seconds kPauseMax{16};

  struct Stretch {
    std::chrono::nanoseconds time;
    std::chrono::nanoseconds own;     // the shard's CPU time
    std::chrono::nanoseconds writer;  // that of its writer, or of who would be
    std::uint64_t bytes;
  };

  /// Whether another shard writes in the next stretch.
  [[nodiscard]] bool after(const Stretch& stretch, protocol::Instant now) noexcept;

 private:
  enum class State : std::uint8_t { Alone, Settling, Trial, Pipelined };

  void give_up(protocol::Instant now) noexcept;

  State state_ = State::Alone;
  double rate_alone_ = 0;  // bytes a nanosecond, before the trial
  std::chrono::seconds pause_ = kPauseMin;
  protocol::Instant not_before_ = protocol::Instant::min();
};

/// Auto: as decided. The others are for tests and comparisons.
enum class PipelineMode : std::uint8_t { Auto, Always, Never };
std::ostream& operator<<(std::ostream& out, PipelineMode mode);

class ShardThreads;

/// Measures for the decision, and chooses who writes.
/// Runs on: its shard alone.
/// Lives: in its shard's inner writer.
class PipelineControl {
 public:
  /// No core is full with so few bytes in a stretch: nothing is measured then, which would cost a
  /// quiet tunnel's packets some microseconds each.
  static constexpr std::uint64_t kQuietBytes = 64 * 1024;

  PipelineControl(PipelineMode mode, const ShardThreads& threads, std::size_t shard,
                  spdlog::logger& log);

  /// Whoever writes the next batch, or null: the shard itself.
  [[nodiscard]] boost::asio::io_context* writer() const noexcept { return writer_; }
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
  PipelineTrial trial_;
  boost::asio::io_context* writer_ = nullptr;
  std::size_t writing_shard_ = 0;

  // The stretch:
  protocol::Instant begun_{};
  bool measured_ = false;  // the CPU times were read at its beginning
  std::uint64_t bytes_ = 0;
  std::vector<std::chrono::nanoseconds> at_begin_, at_end_;  // CPU times of all shards
};

}  // namespace wg::device
