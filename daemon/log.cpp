#include "daemon/log.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <mutex>

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

/// A log file that can be opened anew.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] Result<void> open() {
    Descriptor fd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    if (!fd) {
      return std::unexpected(Failure::system(errno)
                                 .during("log file {}", path_)
                                 .hint("choose another with --log-file"));
    }
    fd_ = std::move(fd);
    return {};
  }
  [[nodiscard]] Result<void> reopen() {
    const std::lock_guard lock(mutex_);
    return open();
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    if (::write(fd_.get(), text.data(), text.size()) < 0) {
      // A full disk loses log lines, not the tunnel.
    }
  }
  void flush_() override {}

  std::string path_;
  Descriptor fd_;
};

std::shared_ptr<spdlog::logger> with_sink(const Options& options, spdlog::sink_ptr sink) {
  auto log = std::make_shared<spdlog::logger>(options.interface, std::move(sink));
  log->set_level(options.log_level);
  log->set_error_handler([](const std::string&) {});
  return log;
}

Result<std::shared_ptr<spdlog::logger>> to_file(const Options& options, const std::string& path) {
  auto sink = std::make_shared<FileSink>(path);
  if (auto opened = sink->open(); !opened) return std::unexpected(opened.error());
  sink->set_pattern(kPattern);
  return with_sink(options, std::move(sink));
}

std::shared_ptr<spdlog::logger> to_stderr(const Options& options) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<PriorityFlag>('*');
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  formatter->set_pattern(journal ? kJournalPattern : kPattern);
  sink->set_formatter(std::move(formatter));
  return with_sink(options, std::move(sink));
}

}  // namespace

Result<std::shared_ptr<spdlog::logger>> open_log(const Options& options, std::string& notice) {
  if (!options.log_file.empty()) return to_file(options, options.log_file);
  if (options.foreground) return to_stderr(options);
  if (::access("/dev/log", W_OK) == 0) {
    auto sink =
        std::make_shared<spdlog::sinks::syslog_sink_mt>("wireguard-cpp", LOG_PID, LOG_DAEMON, true);
    sink->set_pattern(kSyslogPattern);
    return with_sink(options, std::move(sink));
  }
  std::error_code ignored;  // opening the file tells it better
  std::filesystem::create_directories(kLogFolder, ignored);
  const std::string path = std::string(kLogFolder) + "/" + options.interface + ".log";
  auto log = to_file(options, path);
  if (log) notice = "no syslog here (/dev/log); the log goes to " + path;
  return log;
}

void reopen_log(spdlog::logger& log) {
  for (const auto& sink : log.sinks()) {
    auto* const file = dynamic_cast<FileSink*>(sink.get());
    if (file == nullptr) continue;
    if (auto reopened = file->reopen(); !reopened) log.error("{}", reopened.error().text());
  }
}

}  // namespace wg::daemon
