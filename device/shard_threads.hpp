// The threads of the shards and their contexts.
//
// Runs on: its owner's thread: `start`, `stop`. Any thread: everything else.
// Lives: longest, and made first: ends of the tunnel need the contexts, shards need the ends.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace wg::device {

class ShardThreads {
 public:
  explicit ShardThreads(std::size_t count);
  ~ShardThreads();
  ShardThreads(const ShardThreads&) = delete;
  ShardThreads& operator=(const ShardThreads&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return contexts_.size(); }
  [[nodiscard]] std::vector<boost::asio::io_context*> contexts() const;
  [[nodiscard]] boost::asio::io_context& context(std::size_t shard) const noexcept {
    return contexts_[shard]->context;
  }
  /// What the thread has used of a core since it began; it must have been started.
  [[nodiscard]] std::chrono::nanoseconds cpu_time(std::size_t shard) const noexcept;
  /// Each thread calls `first` before anything else.
  void start(const std::function<void()>& first = [] {});
  /// Ends the threads; nothing runs on the contexts any more.
  void stop();

 private:
  struct Running {
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
        context.get_executor()};
    std::thread thread;
    clockid_t cpu_clock{};  // the thread's; outlives it
  };
  std::vector<std::unique_ptr<Running>> contexts_;
};

}  // namespace wg::device
