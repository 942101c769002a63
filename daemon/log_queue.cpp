#include "daemon/log_queue.hpp"

#include <pthread.h>
#include <spdlog/details/log_msg.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace wg::daemon {
namespace {

/// What stands in front of each line in the queue.
struct Record {
  std::size_t line_bytes;
  spdlog::level::level_enum level;
};

void append_record(std::vector<char>& queue, const Record& record, std::string_view line) {
  const auto* const bytes = reinterpret_cast<const char*>(&record);
  queue.insert(queue.end(), bytes, bytes + sizeof record);
  queue.insert(queue.end(), line.begin(), line.end());
}

}  // namespace

struct LogQueue::State {
  std::string name;
  std::unique_ptr<spdlog::formatter> formatter;  // the thread's alone, like the output
  std::unique_ptr<LogOutput> output;

  std::mutex mutex;  // guards all of what follows
  std::condition_variable changed;
  std::condition_variable ended_changed;
  std::vector<char> waiting;  // records
  std::size_t dropped = 0;    // those that would stand behind `waiting`
  bool reopen = false;
  bool closing = false;
  bool ended = false;

  void run();
  void write_all(std::string_view records);
  void say(const std::string& text);
};

/// Lines about the log itself, in its own layout.
void LogQueue::State::say(const std::string& text) {
  const spdlog::details::log_msg message(name, spdlog::level::err, text);
  spdlog::memory_buf_t line;
  formatter->format(message, line);
  output->write(message.level, {line.data(), line.size()});
}

void LogQueue::State::write_all(std::string_view records) {
  while (!records.empty()) {
    Record record{};
    std::memcpy(&record, records.data(), sizeof record);
    records.remove_prefix(sizeof record);
    output->write(record.level, records.substr(0, record.line_bytes));
    records.remove_prefix(record.line_bytes);
  }
}

void LogQueue::State::run() {
  std::vector<char> taken;
  taken.reserve(kBytesMax);
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return !waiting.empty() || dropped > 0 || reopen || closing; });
    if (waiting.empty() && dropped == 0 && !reopen) break;
    taken.swap(waiting);
    const std::size_t lost = std::exchange(dropped, 0);
    const bool anew = std::exchange(reopen, false);
    lock.unlock();
    if (anew) {
      if (auto opened = output->reopen(); !opened) say(opened.error().text());
    }
    write_all({taken.data(), taken.size()});
    taken.clear();
    if (lost > 0) say(fmt::format("{} lines did not fit and were dropped", lost));
    lock.lock();
  }
  ended = true;
  ended_changed.notify_all();
}

LogQueue::LogQueue(std::string name, std::unique_ptr<spdlog::formatter> formatter,
                   std::unique_ptr<LogOutput> output)
    : state_(std::make_shared<State>()) {
  state_->name = std::move(name);
  state_->formatter = std::move(formatter);
  state_->output = std::move(output);
  state_->waiting.reserve(kBytesMax);
  thread_ = std::thread([state = state_] { state->run(); });
  ::pthread_setname_np(thread_.native_handle(), "log");
}

LogQueue::~LogQueue() {
  close();
}

void LogQueue::push(spdlog::level::level_enum level, std::string_view line) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->closing) return;
    // Once one is dropped, all are until the queue is taken, so that its count is at its place.
    const std::size_t bytes = state_->waiting.size() + sizeof(Record) + line.size();
    if (state_->dropped > 0 || bytes > kBytesMax) {
      state_->dropped++;
    } else {
      append_record(state_->waiting, {.line_bytes = line.size(), .level = level}, line);
    }
  }
  state_->changed.notify_one();
}

void LogQueue::reopen() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->reopen = true;
  }
  state_->changed.notify_one();
}

void LogQueue::close() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->changed.notify_one();
  const bool ended = state_->ended_changed.wait_for(lock, kEndWait, [&] { return state_->ended; });
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

}  // namespace wg::daemon
