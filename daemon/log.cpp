#include "daemon/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>

#include "daemon/log_queue.hpp"
#include "errors/descriptor.hpp"

namespace wg::daemon {
namespace {

constexpr const char* kLogFolder = "/var/log/wireguard-cpp";
constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%e%z %l: %n: %v";
constexpr const char* kJournalPattern = "%*%n: %v";
constexpr const char* kSyslogPattern = "%n: %v";

/// `<6>` and the like: how a line tells the journal its priority (sd-daemon(3)).
class PriorityFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const char* priority = "<6>";
    if (message.level <= spdlog::level::debug) priority = "<7>";
    if (message.level >= spdlog::level::err) priority = "<3>";
    out.append(priority, priority + 3);
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }
};

/// Writes all of it, or what there is room for: a full disk loses log lines, not the tunnel.
void write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size >= 0) {
      text.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {  // the caller's stderr, or a FIFO
      pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

class StderrOutput final : public LogOutput {
 public:
  void write(spdlog::level::level_enum, std::string_view line) noexcept override {
    write_all(STDERR_FILENO, line);
  }
};

/// A log file that can be opened anew.
class FileOutput final : public LogOutput {
 public:
  explicit FileOutput(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] Result<void> reopen() override {
    // Not blocking: a FIFO that nobody reads is an error, nothing to wait for.
    Descriptor fd(
        ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640));
    if (!fd) {
      return std::unexpected(Failure::system(errno)
                                 .during("log file {}", path_)
                                 .hint("choose another with --log-file"));
    }
    fd_ = std::move(fd);
    return {};
  }
  void write(spdlog::level::level_enum, std::string_view line) noexcept override {
    write_all(fd_.get(), line);
  }

 private:
  std::string path_;
  Descriptor fd_;
};

class SyslogOutput final : public LogOutput {
 public:
  SyslogOutput() { ::openlog("wireguard-cpp", LOG_PID, LOG_DAEMON); }
  void write(spdlog::level::level_enum level, std::string_view line) noexcept override {
    int priority = LOG_INFO;
    if (level <= spdlog::level::debug) priority = LOG_DEBUG;
    if (level >= spdlog::level::err) priority = LOG_ERR;
    ::syslog(priority, "%.*s", static_cast<int>(line.size()), line.data());
  }
};

/// Formats where it is logged, and leaves the rest to the queue.
class QueueSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  QueueSink(std::string name, std::unique_ptr<spdlog::formatter> formatter,
            std::unique_ptr<LogOutput> output)
      : base_sink(formatter->clone()),
        queue_(std::move(name), std::move(formatter), std::move(output)) {}

  [[nodiscard]] LogQueue& queue() noexcept { return queue_; }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    queue_.push(message.level, {line.data(), line.size()});
  }
  void flush_() override {}

  LogQueue queue_;
};

/// `end` follows each line.
std::unique_ptr<spdlog::formatter> layout(const char* pattern, const char* end = "\n") {
  auto formatter =
      std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local, end);
  formatter->add_flag<PriorityFlag>('*');
  formatter->set_pattern(pattern);
  return formatter;
}

std::shared_ptr<spdlog::logger> make_log(const Options& options,
                                         std::unique_ptr<spdlog::formatter> formatter,
                                         std::unique_ptr<LogOutput> output) {
  auto sink =
      std::make_shared<QueueSink>(options.interface, std::move(formatter), std::move(output));
  auto log = std::make_shared<spdlog::logger>(options.interface, std::move(sink));
  log->set_level(options.log_level);
  log->set_error_handler([](const std::string&) {});
  return log;
}

Result<std::shared_ptr<spdlog::logger>> to_file(const Options& options, const std::string& path) {
  auto file = std::make_unique<FileOutput>(path);
  if (auto opened = file->reopen(); !opened) return std::unexpected(opened.error());
  return make_log(options, layout(kPattern), std::move(file));
}

std::shared_ptr<spdlog::logger> to_stderr(const Options& options) {
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  return make_log(options, layout(journal ? kJournalPattern : kPattern),
                  std::make_unique<StderrOutput>());
}

template <class Action>
void each_queue(spdlog::logger& log, Action action) {
  for (const auto& sink : log.sinks()) {
    if (auto* const queued = dynamic_cast<QueueSink*>(sink.get())) action(queued->queue());
  }
}

}  // namespace

Result<std::shared_ptr<spdlog::logger>> open_log(const Options& options, std::string& notice) {
  if (!options.log_file.empty()) return to_file(options, options.log_file);
  if (options.foreground) return to_stderr(options);
  if (::access("/dev/log", W_OK) == 0) {
    return make_log(options, layout(kSyslogPattern, ""), std::make_unique<SyslogOutput>());
  }
  std::error_code ignored;  // opening the file tells it better
  std::filesystem::create_directories(kLogFolder, ignored);
  const std::string path = std::string(kLogFolder) + "/" + options.interface + ".log";
  auto log = to_file(options, path);
  if (log) notice = "no syslog here (/dev/log); the log goes to " + path;
  return log;
}

void reopen_log(spdlog::logger& log) {
  each_queue(log, [](LogQueue& queue) { queue.reopen(); });
}

namespace {

std::shared_ptr<spdlog::logger>& log_of_the_end() {
  static std::shared_ptr<spdlog::logger> log;
  return log;
}

[[noreturn]] void say_and_abort() {
  const char* what = "an exception";
  try {
    if (std::current_exception()) throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  log_of_the_end()->critical("ending, by a fault of the program or for want of memory: {}", what);
  close_log(*log_of_the_end());
  std::abort();
}

}  // namespace

void log_before_abort(std::shared_ptr<spdlog::logger> log) {
  log_of_the_end() = std::move(log);
  std::set_terminate(say_and_abort);
}

void close_log(spdlog::logger& log) {
  each_queue(log, [](LogQueue& queue) { queue.close(); });
}

}  // namespace wg::daemon
