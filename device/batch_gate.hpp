// Who may look at the tables, and who may change them: workers pass batch by batch, a change holds
// all of them off.
//
// A worker (a shard, a thread of the control pool) works inside `pass()`, one batch or one
// handshake at a time. Whoever changes what they share (peers, allowed IPs, the bind's sockets, our
// identity) holds `exclusive()`. So a pointer that was found in a table is good until the end of
// the batch, without reference counts and without a lock per packet.
//
// Each worker has a mutex of its own in a cache line of its own: passing costs an uncontended lock.
// The exclusive side takes them all, in order; while one waits, workers queue up behind it at the
// turnstile, so it cannot starve.
//
// Not recursive: a worker must not ask for `exclusive()` inside its pass.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

namespace wg::device {

class BatchGate {
 public:
  explicit BatchGate(std::size_t workers)
      : workers_(workers), slots_(std::make_unique<Slot[]>(workers)) {}

  using Pass = std::unique_lock<std::mutex>;

  /// Lets `worker` work on a batch until the pass ends.
  [[nodiscard]] Pass pass(std::size_t worker) {
    if (changes_waiting_.load(std::memory_order_relaxed) > 0) {
      const std::lock_guard wait(turnstile_);
    }
    return Pass(slots_[worker].mutex);
  }

  class Exclusive {
   public:
    explicit Exclusive(BatchGate& gate) : gate_(gate) {
      gate_.changes_waiting_.fetch_add(1, std::memory_order_relaxed);
      gate_.turnstile_.lock();
      for (std::size_t i = 0; i < gate_.workers_; i++) gate_.slots_[i].mutex.lock();
    }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;
    ~Exclusive() {
      for (std::size_t i = 0; i < gate_.workers_; i++) gate_.slots_[i].mutex.unlock();
      gate_.turnstile_.unlock();
      gate_.changes_waiting_.fetch_sub(1, std::memory_order_relaxed);
    }

   private:
    BatchGate& gate_;
  };

  /// Holds all workers off while the result lives.
  [[nodiscard]] Exclusive exclusive() { return Exclusive(*this); }

 private:
  struct alignas(64) Slot {
    std::mutex mutex;
  };

  std::size_t workers_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<int> changes_waiting_{0};
  std::mutex turnstile_;
};

}  // namespace wg::device
