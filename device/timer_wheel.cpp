#include "device/timer_wheel.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "device/clock.hpp"

namespace wg::device {
namespace {

constexpr std::int64_t kNoAlarm = std::numeric_limits<std::int64_t>::max();

int make_timer() {
  const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "timerfd_create");
  return fd;
}

}  // namespace

TimerWheel::TimerWheel(boost::asio::io_context& context)
    : timer_(context, make_timer()), current_(tick_of(now())), alarm_(kNoAlarm) {
  wait();
}

void TimerWheel::wait() {
  timer_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](const boost::system::error_code& error) {
                      if (error) return;
                      advance();
                      wait();
                    });
}

void TimerWheel::set_alarm(Tick tick) noexcept {
  alarm_ = tick;
  const auto at = tick == kNoAlarm ? std::chrono::nanoseconds(0)  // disarms it
                                   : std::chrono::nanoseconds(kSlot) * tick;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  const itimerspec setting{.it_interval = {},
                           .it_value = {.tv_sec = static_cast<time_t>(seconds.count()),
                                        .tv_nsec = static_cast<long>((at - seconds).count())}};
  ::timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

void TimerWheel::arm_sooner(Client& client, protocol::Instant deadline) noexcept {
  const Lock lock(mutex_);
  if (stopped_ || deadline >= client.armed_for_.load(std::memory_order_relaxed)) return;
  client.armed_for_.store(deadline, std::memory_order_relaxed);
  client.unlink();
  const Tick tick = std::max(tick_of(deadline), current_);
  slots_[static_cast<std::size_t>(tick) % kSlots].push_back(client);
  // Beyond one turn, look at the slot when it first comes up.
  const Tick wake = std::min(tick, current_ + static_cast<Tick>(kSlots) - 1);
  if (wake < alarm_) set_alarm(wake);
}

void TimerWheel::disarm(Client& client) noexcept {
  const Lock lock(mutex_);
  client.unlink();
  client.armed_for_.store(protocol::kNever, std::memory_order_relaxed);
}

void TimerWheel::stop() noexcept {
  const Lock lock(mutex_);
  stopped_ = true;
  for (Slot& slot : slots_) slot.clear();
  boost::system::error_code ignored;
  timer_.cancel(ignored);
}

void TimerWheel::fire_slot(Slot& slot, protocol::Instant now) noexcept {
  for (auto it = slot.begin(); it != slot.end();) {
    Client& client = *it++;
    if (client.armed_for_.load(std::memory_order_relaxed) > now) continue;  // of a later turn
    client.unlink();
    client.armed_for_.store(protocol::kNever, std::memory_order_relaxed);
    client.timer_fired();
  }
}

TimerWheel::Tick TimerWheel::next_used_slot() const noexcept {
  for (Tick tick = current_; tick < current_ + static_cast<Tick>(kSlots); tick++) {
    if (!slots_[static_cast<std::size_t>(tick) % kSlots].empty()) return tick;
  }
  return kNoAlarm;
}

void TimerWheel::advance() noexcept {
  std::uint64_t expirations = 0;
  if (::read(timer_.native_handle(), &expirations, sizeof expirations) < 0) {
    // Set anew between the wake-up and now: the next wake-up is on its way.
  }
  const Lock lock(mutex_);
  if (stopped_) return;
  const protocol::Instant moment = now();
  const Tick last = moment.time_since_epoch() / kSlot;  // slots up to here are over
  const Tick turn_end = current_ + static_cast<Tick>(kSlots);
  for (Tick tick = current_; tick <= last && tick < turn_end; tick++) {
    fire_slot(slots_[static_cast<std::size_t>(tick) % kSlots], moment);
  }
  current_ = std::max(current_, last + 1);
  set_alarm(next_used_slot());
}

}  // namespace wg::device
