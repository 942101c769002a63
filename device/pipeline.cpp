#include "device/pipeline.hpp"

#include <sched.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cassert>

namespace wg::device {
namespace {

/// As the process was given them, before any thread of it keeps off one.
const cpu_set_t& cores_of_process() noexcept {
  static const cpu_set_t cores = [] {
    cpu_set_t given{};
    (void)::sched_getaffinity(::getpid(), sizeof given, &given);
    return given;
  }();
  return cores;
}

}  // namespace

Pipeline::Pipeline(boost::asio::io_context& owner, std::function<void(std::size_t slot)> step,
                   std::function<void()> resume)
    : owner_(owner), step_(std::move(step)), resume_(std::move(resume)) {}

std::optional<Pipeline::Place> Pipeline::place() {
  const Lock lock(mutex_);
  if (count_ == kSlots) {
    starved_ = true;
    return std::nullopt;
  }
  filling_ = 0;
  while (!free_[filling_]) filling_++;  // always the first, whose memory is warm
  return Place{.slot = filling_, .alone = count_ == 0 && !serving_};
}

void Pipeline::pass_on(boost::asio::io_context* writer) {
  bool call = false;
  if (writer != nullptr) owner_core_.store(::sched_getcpu(), std::memory_order_relaxed);
  {
    const Lock lock(mutex_);
    order_[(first_ + count_) % kSlots] = filling_;
    free_.reset(filling_);
    count_++;
    if (writer != nullptr) call = !std::exchange(serving_, true);
  }
  if (call) boost::asio::post(*writer, [this, writer] { serve(*writer); });
  if (writer == nullptr) work(kSlots);
}

void Pipeline::serve(boost::asio::io_context& writer) {
  assert(writer.get_executor().running_in_this_thread());
  keep_off(owner_core_.load(std::memory_order_relaxed));
  work(kBatchesPerTurn);
  if (!look_around()) {
    const Lock lock(mutex_);
    if (count_ == 0) {
      keep_off(std::nullopt);
      serving_ = false;
      return;
    }
  }
  boost::asio::post(writer, [this, &writer] { serve(writer); });
}

void Pipeline::keep_off(std::optional<int> core) noexcept {
  if (core == kept_off_) return;
  kept_off_ = core;
  cpu_set_t cores = cores_of_process();
  if (core) CPU_CLR(*core, &cores);
  // Refused where there is no other core; then the decision whether a pipeline pays says no.
  (void)::sched_setaffinity(0, sizeof cores, &cores);
}

bool Pipeline::look_around() const {
  const auto end = std::chrono::steady_clock::now() + kLookAround;
  while (count_.load(std::memory_order_relaxed) == 0) {
    if (std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

void Pipeline::work(std::size_t batches) {
  Lock lock(mutex_);
  if (working_) return;
  working_ = true;
  for (; batches > 0 && count_ > 0; batches--) {
    const std::size_t slot = order_[first_];
    lock.unlock();
    step_(slot);
    lock.lock();
    free_.set(slot);
    first_ = (first_ + 1) % kSlots;
    count_--;
    if (std::exchange(starved_, false)) boost::asio::post(owner_, resume_);
  }
  working_ = false;
}

}  // namespace wg::device
