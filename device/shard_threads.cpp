#include "device/shard_threads.hpp"

#include <pthread.h>

#include <string>

namespace wg::device {

ShardThreads::ShardThreads(std::size_t count) {
  for (std::size_t i = 0; i < count; i++) contexts_.push_back(std::make_unique<Running>());
}

ShardThreads::~ShardThreads() {
  stop();
}

std::vector<boost::asio::io_context*> ShardThreads::contexts() const {
  std::vector<boost::asio::io_context*> all;
  for (const auto& running : contexts_) all.push_back(&running->context);
  return all;
}

void ShardThreads::start(const std::function<void()>& first) {
  for (std::size_t i = 0; i < contexts_.size(); i++) {
    Running& running = *contexts_[i];
    running.thread = std::thread([&running, first] {
      first();
      running.context.run();
    });
    ::pthread_getcpuclockid(running.thread.native_handle(), &running.cpu_clock);
    ::pthread_setname_np(running.thread.native_handle(), ("shard-" + std::to_string(i)).c_str());
  }
}

void ShardThreads::stop() {
  for (const auto& running : contexts_) running->context.stop();
  for (const auto& running : contexts_) {
    if (running->thread.joinable()) running->thread.join();
  }
}

std::chrono::nanoseconds ShardThreads::cpu_time(std::size_t shard) const noexcept {
  timespec time{};
  // Fails for a thread that has ended; then nobody decides anything by it any more.
  (void)::clock_gettime(contexts_[shard]->cpu_clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace wg::device
