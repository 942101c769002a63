// A pipeline of two shards, for what one alone cannot keep up with: one receives and opens, another
// one, the writer, does the last step, while the first goes on.
//
// Batches lie in slots and leave in the order in which they came. The step is done by one thread at
// a time, so nothing is overtaken, whoever does it:
//
//   on its way          | a writer is named | who does the step
//   nothing, none calls | no                | the owner, along the way or in `pass_on`
//   nothing             | yes               | the writer, which is called for it
//   batches             | no longer         | the owner in `pass_on`, if the writer is done
//   batches             | yes               | the writer, which looks again after each turn
//   all slots           | either            | the writer; the owner waits for `resume`
//
// A writer that runs dry looks around for a moment before it sleeps: to wake it costs the owner as
// much as a part of a batch. While it serves, it keeps off the owner's core, where it would be of
// no use: a scheduler that finds the other cores busy for an instant puts it there, and leaves it
// there.
//
// Runs on: the owner, inside its pass: `place`, `pass_on`. The writer's executor, without a pass:
// `serve`. Whichever of the two is at it, one at a time: the step.
// Guarded by: `mutex_`, held for a few instructions a batch: the slots and who is at work.
// Lives: in its owner, until the threads of owner and writers have ended.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>

#include "threads/mutex.hpp"

namespace wg::device {

class Pipeline {
 public:
  /// Batches on their way: one each in the hands of both shards, and some for when the writer has
  /// to leave its core to somebody else for a moment.
  static constexpr std::size_t kSlots = 8;

  /// `step` does the last step for the batch of a slot. `resume` runs on `owner` when a slot is
  /// free again, after `place` has yielded none.
  Pipeline(boost::asio::io_context& owner, std::function<void(std::size_t slot)> step,
           std::function<void()> resume);

  struct Place {
    std::size_t slot;
    /// Nothing is on its way and no writer is called: until the next call the owner may do the step
    /// itself, as it likes, and need not pass on.
    bool alone;
  };
  /// Where the next batch is to be put; none: all are with the writer.
  [[nodiscard]] std::optional<Place> place();
  /// The batch is in its slot. The step is the writer's from now on; without one (null) it is done
  /// before this returns, unless a writer of before is still at it.
  void pass_on(boost::asio::io_context* writer);

 private:
  /// Batches that a writer does before its own work has its turn.
  static constexpr std::size_t kBatchesPerTurn = 4;
  static constexpr std::chrono::microseconds kLookAround{30};

  void serve(boost::asio::io_context& writer);
  /// The writer's thread runs on any core but the owner's, or (none) on any core again.
  void keep_off(std::optional<int> core) noexcept;
  /// Does the step for what waits, `batches` at the most, unless somebody else is at it.
  void work(std::size_t batches);
  [[nodiscard]] bool look_around() const;

  boost::asio::io_context& owner_;
  const std::function<void(std::size_t)> step_;
  const std::function<void()> resume_;

  std::atomic<int> owner_core_ = -1;  // where it ran last
  std::optional<int> kept_off_;       // the writer's

  Mutex mutex_;
  /// Slots of batches on their way, a ring, and where in it the oldest is.
  std::array<std::size_t, kSlots> order_ WG_GUARDED_BY(mutex_){};
  std::size_t first_ WG_GUARDED_BY(mutex_) = 0;
  /// How many are on their way; changed under the mutex.
  std::atomic<std::size_t> count_ = 0;
  std::bitset<kSlots> free_ WG_GUARDED_BY(mutex_) = ~std::bitset<kSlots>();
  std::size_t filling_ WG_GUARDED_BY(mutex_) = 0;  // the slot of the batch in the making
  bool working_ WG_GUARDED_BY(mutex_) = false;     // somebody does the step
  bool serving_ WG_GUARDED_BY(mutex_) = false;     // a writer is at work, or called
  bool starved_ WG_GUARDED_BY(mutex_) = false;     // `place` has yielded none
};

}  // namespace wg::device
