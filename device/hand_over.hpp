// The last step of a shard's way, which another shard may take over while this one goes on: a
// pipeline of two for what one shard alone cannot keep up with.
//
// Batches lie in slots and leave in the order in which they came, whoever does the step: it is done
// by one thread at a time.
//
// A helper that runs dry looks around for a moment before it sleeps, since to wake it costs the
// shard as much as a part of a batch. While it helps it keeps off the shard's core, where it would
// be none: a scheduler that finds the other cores busy for an instant puts it there, and leaves it.
//
// Calls are the owner's.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>

namespace wg::device {

class HandOver {
 public:
  /// Batches on their way: one each in the hands of both shards, and some for when the helper has
  /// to leave its core to somebody else for a moment.
  static constexpr std::size_t kSlots = 8;

  /// `step` does the last step for the batch of a slot. `resume` runs on `owner` when a slot is
  /// free again, after `place` has yielded none.
  HandOver(boost::asio::io_context& owner, std::function<void(std::size_t slot)> step,
           std::function<void()> resume);

  struct Place {
    std::size_t slot;
    /// Nothing is on its way and nobody called to help: until the next call the owner may do the
    /// step itself, as it likes, and need not pass on.
    bool alone;
  };
  /// Where the next batch is to be put; none: all are with the helper.
  [[nodiscard]] std::optional<Place> place();
  /// The batch is in its slot. The step is the helper's from now on; without one (null) it is done
  /// before this returns, unless a helper of before is still at it.
  void pass_on(boost::asio::io_context* helper);

 private:
  /// Batches that a helper does before its own work has its turn.
  static constexpr std::size_t kBatchesPerTurn = 4;
  static constexpr std::chrono::microseconds kLookAround{30};

  void help(boost::asio::io_context& helper);
  /// The helper's thread runs on any core but the owner's, or (none) on any core again.
  void keep_off(std::optional<int> core) noexcept;
  /// Does the step for what waits, `batches` at the most, unless somebody else is at it.
  void work(std::size_t batches);
  [[nodiscard]] bool look_around() const;

  boost::asio::io_context& owner_;
  const std::function<void(std::size_t)> step_;
  const std::function<void()> resume_;

  std::atomic<int> owner_core_ = -1;  // where it ran last
  std::optional<int> kept_off_;       // the helper's

  std::mutex mutex_;  // guards all below; held for a few instructions, a batch
  std::array<std::size_t, kSlots> order_{};  // slots of batches on their way, a ring
  std::size_t first_ = 0;                    // where in it the oldest is
  std::atomic<std::size_t> count_ = 0;       // how many are; changed under the mutex
  std::bitset<kSlots> free_ = ~std::bitset<kSlots>();
  std::size_t filling_ = 0;  // the slot of the batch in the making
  bool working_ = false;     // somebody does the step
  bool helping_ = false;     // a helper is at work, or called
  bool starved_ = false;     // `place` has yielded none
};

}  // namespace wg::device
