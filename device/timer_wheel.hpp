// Deadlines of many peers on one file descriptor: a hashed timing wheel over a timerfd.
//
// Lazy, as the session's timers are: a client is armed for the earliest moment at which somebody
// has to look again, and moving it later costs nothing (it is looked at once too often). So the
// data path compares two numbers, and takes the wheel's lock only when a deadline comes closer,
// every few seconds at the most. Slots are 16 ms wide; a deadline may fire up to one slot late,
// never early. With nothing armed, nothing wakes up. CLOCK_BOOTTIME, so a deadline that passed
// while the machine slept is due at once.
//
// Runs on: any thread: `arm`, `disarm`, `stop`. The executor of the context, under the wheel's
// lock: clients, which only hand the work on.
// Guarded by: `mutex_`, the slots, and the clients' links as well.
// Lives: longer than its clients; a client is disarmed for good before it ends.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>

#include "errors/failure.hpp"
#include "protocol/clock.hpp"
#include "threads/mutex.hpp"

namespace wg::device {

class TimerWheel {
 public:
  class Client : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    virtual ~Client() = default;

   private:
    friend class TimerWheel;
    virtual void timer_fired() noexcept = 0;
    std::atomic<protocol::Instant> armed_for_{protocol::kNever};
  };

  explicit TimerWheel(boost::asio::io_context& context);

  /// Has `client` called at `deadline`, unless it is armed for earlier.
  void arm(Client& client, protocol::Instant deadline) noexcept {
    if (deadline < client.armed_for_.load(std::memory_order_relaxed)) arm_sooner(client, deadline);
  }
  void disarm(Client& client) noexcept;
  /// Calls nobody any more.
  void stop() noexcept;

 private:
  static constexpr std::chrono::milliseconds kSlot{16};
  static constexpr std::size_t kSlots =
      2048;  // 32 s; what is farther away waits in the slot of its last bits
  using Slot = boost::intrusive::list<Client, boost::intrusive::constant_time_size<false>>;
  using Tick = std::int64_t;

  [[nodiscard]] static Tick tick_of(protocol::Instant deadline) noexcept {
    return (deadline.time_since_epoch() + kSlot - std::chrono::nanoseconds(1)) / kSlot;
  }
  void arm_sooner(Client& client, protocol::Instant deadline) noexcept;
  void wait();
  void advance() noexcept;
  void fire_slot(Slot& slot, protocol::Instant now) noexcept WG_REQUIRES(mutex_);
  void set_alarm(Tick tick) noexcept WG_REQUIRES(mutex_);
  [[nodiscard]] Tick next_used_slot() const noexcept WG_REQUIRES(mutex_);

  boost::asio::posix::stream_descriptor timer_;
  Mutex mutex_;
  std::array<Slot, kSlots> slots_ WG_GUARDED_BY(mutex_);
  Tick current_ WG_GUARDED_BY(mutex_);  // slots before it have been worked off
  Tick alarm_ WG_GUARDED_BY(mutex_);    // what the timerfd is set to; kNoAlarm if it is not
  bool stopped_ WG_GUARDED_BY(mutex_) = false;
};

}  // namespace wg::device
