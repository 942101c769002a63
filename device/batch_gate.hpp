// Who may look at what the workers share, and who may change it: workers pass batch by batch, a
// change holds all of them off.
//
// A worker (a shard, a thread of the control pool) works inside `pass()`, one batch or one
// handshake at a time, and sees the shared state as constant. Whoever changes it holds
// `exclusive()`. The state lies in the gate, so nobody reaches it without one of the two; and a
// pointer that was found in it is good until the end of the pass, without reference counts and
// without a lock per packet. The owner, who alone changes it, may also look at it in between.
//
// Each worker has a mutex of its own in a cache line of its own: passing costs an uncontended lock.
// A thread becomes a worker by `enter`, once. The exclusive side takes all the mutexes, in order;
// while one waits, workers queue up behind it at the turnstile, so it cannot starve. Nor can they:
// the next exclusive waits until those that the last one held off have had their turn.
//
// Runs on: a worker, that is a thread that has called `enter`: `pass`. Whoever makes a change, one
// at a time: `exclusive`. The owner, the thread that makes all of them: `owners_view`.
// Not recursive: neither is asked for inside the other (asserted).
#pragma once

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace wg::device {

/// Where the calling thread stands: of which gate it is a worker, with which number.
struct GateSeat {
  const void* gate = nullptr;
  std::size_t number = 0;
  bool inside = false;  // a pass or an exclusive of the thread lives
};
[[nodiscard]] GateSeat& this_threads_seat() noexcept;

template <class Shared>
class BatchGate {
 public:
  /// For `workers` threads at the most; the rest makes the shared state.
  template <class... Arguments>
  explicit BatchGate(std::size_t workers, Arguments&&... arguments)
      : shared_{std::forward<Arguments>(arguments)...},
        workers_(workers),
        slots_(std::make_unique<Slot[]>(workers)) {}

  /// The calling thread is a worker from now on, until it ends.
  void enter() noexcept {
    GateSeat& seat = this_threads_seat();
    assert(seat.gate == nullptr && "a thread is a worker of one gate");
    seat.gate = this;
    seat.number = entered_.fetch_add(1);
    assert(seat.number < workers_);
  }

  /// Leave to look at the shared state, for a batch.
  class Pass {
   public:
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() { this_threads_seat().inside = false; }
    [[nodiscard]] const Shared& operator*() const noexcept { return shared_; }
    [[nodiscard]] const Shared* operator->() const noexcept { return &shared_; }

   private:
    friend class BatchGate;
    Pass(const Shared& shared, std::mutex& slot) : shared_(shared), held_(slot) {
      this_threads_seat().inside = true;
    }
    const Shared& shared_;
    std::unique_lock<std::mutex> held_;
  };

  /// Lets the calling worker work on a batch until the pass ends.
  [[nodiscard]] Pass pass() {
    const GateSeat& seat = this_threads_seat();
    assert(seat.gate == this && "only a worker passes");
    assert(!seat.inside);
    std::mutex& slot = slots_[seat.number].mutex;
    if (changes_waiting_.load(std::memory_order_relaxed) == 0) return Pass(shared_, slot);
    held_off_.fetch_add(1);
    {
      const std::lock_guard wait(turnstile_);
    }
    return pass_after_change(slot);
  }

  /// Leave to change the shared state: no worker is inside its pass while this lives.
  class Exclusive {
   public:
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;
    ~Exclusive() {
      for (std::size_t i = 0; i < gate_.workers_; i++) gate_.slots_[i].mutex.unlock();
      gate_.turnstile_.unlock();
      gate_.changes_waiting_.fetch_sub(1, std::memory_order_relaxed);
      this_threads_seat().inside = false;
    }
    [[nodiscard]] Shared& operator*() const noexcept { return gate_.shared_; }
    [[nodiscard]] Shared* operator->() const noexcept { return &gate_.shared_; }

    explicit Exclusive(BatchGate& gate) : gate_(gate) {
      assert(!this_threads_seat().inside);
      gate_.let_those_held_off_pass();
      gate_.changes_waiting_.fetch_add(1, std::memory_order_relaxed);
      gate_.turnstile_.lock();
      for (std::size_t i = 0; i < gate_.workers_; i++) gate_.slots_[i].mutex.lock();
      this_threads_seat().inside = true;
    }

   private:
    BatchGate& gate_;
  };
  [[nodiscard]] Exclusive exclusive() { return Exclusive(*this); }

  /// For the owner: the thread that makes all the changes, while it makes none.
  [[nodiscard]] const Shared& owners_view() const noexcept {
    assert(this_threads_seat().gate != this && "a worker needs a pass");
    return shared_;
  }

 private:
  struct alignas(64) Slot {
    std::mutex mutex;
  };

  [[nodiscard]] Pass pass_after_change(std::mutex& slot) {
    struct Passed {
      std::atomic<int>& held_off;
      ~Passed() {
        held_off.fetch_sub(1);
        held_off.notify_all();
      }
    } const passed{held_off_};
    return Pass(shared_, slot);
  }

  /// Waits for workers only that are on their way in, and whose batch is then bounded.
  void let_those_held_off_pass() const noexcept {
    for (int left = held_off_.load(); left > 0; left = held_off_.load()) held_off_.wait(left);
  }

  Shared shared_;
  std::size_t workers_;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::size_t> entered_{0};
  std::atomic<int> changes_waiting_{0};
  std::atomic<int> held_off_{0};  // workers on their way through the turnstile
  std::mutex turnstile_;
};

/// A long change in slices: after kSliceTime the workers are let in for a batch, then it goes on.
template <class Gate>
class SlicedChange {
 public:
  static constexpr std::chrono::microseconds kSliceTime{500};

  explicit SlicedChange(Gate& gate) : gate_(gate) { begin(); }

  /// The shared state, to change a little of it; what was found in it before may have gone.
  [[nodiscard]] auto& next() {
    if (std::chrono::steady_clock::now() >= slice_ends_) {
      exclusive_.reset();
      begin();
    }
    return **exclusive_;
  }

 private:
  using Exclusive = typename Gate::Exclusive;
  void begin() {
    exclusive_.emplace(gate_);
    slice_ends_ = std::chrono::steady_clock::now() + kSliceTime;
  }

  Gate& gate_;
  std::optional<Exclusive> exclusive_;
  std::chrono::steady_clock::time_point slice_ends_;
};

}  // namespace wg::device
