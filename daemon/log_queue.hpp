// Log lines on their way out, and the thread, "log", that takes them there.
//
// Whoever logs (packets, handshakes, settings) puts a line into a bounded queue and goes on: a
// reader that stalls, a full pipe or a syslog that does not answer, holds up this thread alone.
// What does not fit is counted, and the count stands in the log where the lines would have stood.
// The end waits for what is queued, but not for long; then the thread is left to the end of the
// process.
//
// Memory: twice `kBytesMax`, the lines that wait and those that are being written, and only as much
// of it as has been used.
//
// Runs on: any thread; `close` by one at a time.
// Guarded by: the state's mutex, all but the layout and the output, which are the thread's alone.
// Lives: made after the daemon has gone to the background, since a fork takes no threads along. Its
// state lives until the thread has ended, too.
#pragma once

#include <spdlog/common.h>
#include <spdlog/formatter.h>

#include <chrono>
#include <memory>
#include <string_view>
#include <thread>

#include "errors/failure.hpp"

namespace wg::daemon {

/// Where lines go. `write` may take as long as the reader likes.
/// Runs on: the queue's thread alone.
class LogOutput {
 public:
  virtual ~LogOutput() = default;
  virtual void write(spdlog::level::level_enum level, std::string_view line) noexcept = 0;
  /// Opens a file anew; after a failure it goes on with what it has.
  [[nodiscard]] virtual Result<void> reopen() { return {}; }
};

class LogQueue {
 public:
  static constexpr std::size_t kBytesMax = 256 * 1024;
  static constexpr std::chrono::milliseconds kEndWait{500};

  /// `formatter` lays out the lines of our own, those about the log itself; `name` is the log's.
  LogQueue(std::string name, std::unique_ptr<spdlog::formatter> formatter,
           std::unique_ptr<LogOutput> output);
  ~LogQueue();

  /// `line` as it goes out. Never blocks.
  void push(spdlog::level::level_enum level, std::string_view line);
  /// Before the next line is written.
  void reopen();
  /// Waits until all is written, for `kEndWait` at most. What comes later is lost.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;  // also the thread's, which may stay behind
  std::thread thread_;
};

}  // namespace wg::daemon
