#include "device/help.hpp"

#include <algorithm>
#include <utility>

#include "device/shard.hpp"

namespace wg::device {
namespace {

double share(std::chrono::nanoseconds part, std::chrono::nanoseconds of) noexcept {
  return static_cast<double>(part.count()) / static_cast<double>(of.count());
}

}  // namespace

bool HelpDecision::after(const Stretch& stretch, protocol::Instant now) noexcept {
  const double own = share(stretch.own, stretch.time);
  const double helper = share(stretch.helper, stretch.time);
  const double rate =
      static_cast<double>(stretch.bytes) / static_cast<double>(stretch.time.count());
  switch (state_) {
    case State::Alone:
      if (own >= kSaturated && helper <= kIdle && now >= not_before_) {
        state_ = State::Settling;
        rate_alone_ = rate;
      }
      break;
    case State::Settling:
      state_ = State::Trial;
      break;
    case State::Trial:
      if (rate >= kGain * rate_alone_ || (own < kSaturated && rate >= kNoLoss * rate_alone_)) {
        state_ = State::Helped;
        pause_ = kPauseMin;
      } else {
        give_up(now);
      }
      break;
    case State::Helped:
      if (own + helper < kOneCouldDo) {
        state_ = State::Alone;
      } else if (rate < kNoLoss * rate_alone_) {
        give_up(now);
      }
      break;
  }
  return state_ != State::Alone;
}

void HelpDecision::give_up(protocol::Instant now) noexcept {
  state_ = State::Alone;
  not_before_ = now + pause_;
  pause_ = std::min(2 * pause_, kPauseMax);
}

Help::Help(HelpMode mode, const ShardThreads& threads, std::size_t shard, spdlog::logger& log)
    : threads_(threads), shard_(shard), log_(log) {
  if (threads.size() == 1) return;
  decides_ = mode == HelpMode::Auto;
  at_begin_.resize(threads.size());
  at_end_.resize(threads.size());
  if (mode == HelpMode::Always) helper_ = &threads.context((shard + 1) % threads.size());
}

void Help::after_batch(std::size_t bytes, protocol::Instant now) {
  if (!decides_) return;
  bytes_ += bytes;
  if (now - begun_ < HelpDecision::kStretch) return;
  const bool quiet = helper_ == nullptr && bytes_ < kQuietBytes;
  if (!quiet) {
    for (std::size_t i = 0; i < at_end_.size(); i++) at_end_[i] = threads_.cpu_time(i);
    if (measured_) decide(now);
    std::swap(at_begin_, at_end_);
  }
  measured_ = !quiet;
  begun_ = now;
  bytes_ = 0;
}

void Help::decide(protocol::Instant now) {
  const bool before = helper_ != nullptr;
  if (!before) helping_shard_ = idlest();
  const bool helped = decision_.after({.time = now - begun_,
                                       .own = worked(shard_),
                                       .helper = worked(helping_shard_),
                                       .bytes = bytes_},
                                      now);
  if (helped == before) return;
  helper_ = helped ? &threads_.context(helping_shard_) : nullptr;
  log_.debug("shard {} {} by shard {}", shard_, helped ? "is helped" : "is no longer helped",
             helping_shard_);
}

/// Who has worked least of the others.
std::size_t Help::idlest() const {
  std::size_t best = shard_ == 0 ? 1 : 0;
  for (std::size_t i = 0; i < at_end_.size(); i++) {
    if (i != shard_ && worked(i) < worked(best)) best = i;
  }
  return best;
}

}  // namespace wg::device
