#include "device/pipeline_trial.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include "device/shard_threads.hpp"

namespace wg::device {
namespace {

double share(std::chrono::nanoseconds part, std::chrono::nanoseconds of) noexcept {
  return static_cast<double>(part.count()) / static_cast<double>(of.count());
}

}  // namespace

std::ostream& operator<<(std::ostream& out, PipelineMode mode) {
  switch (mode) {
    case PipelineMode::Auto:
      return out << "auto";
    case PipelineMode::Always:
      return out << "always";
    case PipelineMode::Never:
      return out << "never";
  }
  return out;
}

bool PipelineTrial::after(const Stretch& stretch, protocol::Instant now) noexcept {
  const double own = share(stretch.own, stretch.time);
  const double writer = share(stretch.writer, stretch.time);
  const double rate =
      static_cast<double>(stretch.bytes) / static_cast<double>(stretch.time.count());
  switch (state_) {
    case State::Alone:
      if (own >= kSaturated && writer <= kIdle && now >= not_before_) {
        state_ = State::Settling;
        rate_alone_ = rate;
      }
      break;
    case State::Settling:
      state_ = State::Trial;
      break;
    case State::Trial:
      if (rate >= kGain * rate_alone_ || (own < kSaturated && rate >= kNoLoss * rate_alone_)) {
        state_ = State::Pipelined;
        pause_ = kPauseMin;
      } else {
        give_up(now);
      }
      break;
    case State::Pipelined:
      if (own + writer < kOneCouldDo) {
        state_ = State::Alone;
      } else if (rate < kNoLoss * rate_alone_) {
        give_up(now);
      }
      break;
  }
  return state_ != State::Alone;
}

void PipelineTrial::give_up(protocol::Instant now) noexcept {
  state_ = State::Alone;
  not_before_ = now + pause_;
  pause_ = std::min(2 * pause_, kPauseMax);
}

PipelineControl::PipelineControl(PipelineMode mode, const ShardThreads& threads, std::size_t shard,
                                 spdlog::logger& log)
    : threads_(threads), shard_(shard), log_(log) {
  if (threads.size() == 1) return;
  decides_ = mode == PipelineMode::Auto;
  at_begin_.resize(threads.size());
  at_end_.resize(threads.size());
  if (mode == PipelineMode::Always) writer_ = &threads.context((shard + 1) % threads.size());
}

void PipelineControl::after_batch(std::size_t bytes, protocol::Instant now) {
  if (!decides_) return;
  bytes_ += bytes;
  if (now - begun_ < PipelineTrial::kStretch) return;
  const bool quiet = writer_ == nullptr && bytes_ < kQuietBytes;
  if (!quiet) {
    for (std::size_t i = 0; i < at_end_.size(); i++) at_end_[i] = threads_.cpu_time(i);
    if (measured_) decide(now);
    std::swap(at_begin_, at_end_);
  }
  measured_ = !quiet;
  begun_ = now;
  bytes_ = 0;
}

void PipelineControl::decide(protocol::Instant now) {
  const bool before = writer_ != nullptr;
  if (!before) writing_shard_ = idlest();
  const bool pipelined = trial_.after({.time = now - begun_,
                                       .own = worked(shard_),
                                       .writer = worked(writing_shard_),
                                       .bytes = bytes_},
                                      now);
  if (pipelined == before) return;
  writer_ = pipelined ? &threads_.context(writing_shard_) : nullptr;
  log_.debug("shard {}: what it opens {} written by shard {}", shard_,
             pipelined ? "is" : "is no longer", writing_shard_);
}

/// Who has worked least of the others.
std::size_t PipelineControl::idlest() const {
  std::size_t best = shard_ == 0 ? 1 : 0;
  for (std::size_t i = 0; i < at_end_.size(); i++) {
    if (i != shard_ && worked(i) < worked(best)) best = i;
  }
  return best;
}

}  // namespace wg::device
