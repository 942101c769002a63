#include "daemon/log_queue.hpp"

#include <spdlog/pattern_formatter.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <mutex>
#include <string>

#include "tests/printing.hpp"

using namespace wg;
using namespace wg::daemon;
using namespace std::chrono_literals;

namespace {

/// What the reader has got, and whether it reads.
struct Reader {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text;
  bool stalls = false;
  bool has_line = false;  // one that it does not take yet
  int reopened = 0;

  void stall(bool stalled) {
    const std::lock_guard lock(mutex);
    stalls = stalled;
    changed.notify_all();
  }
  void wait_for_line() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return has_line; });
  }
};

class FakeOutput final : public LogOutput {
 public:
  explicit FakeOutput(std::shared_ptr<Reader> reader) : reader_(std::move(reader)) {}
  void write(spdlog::level::level_enum, std::string_view line) noexcept override {
    std::unique_lock lock(reader_->mutex);
    reader_->has_line = true;
    reader_->changed.notify_all();
    reader_->changed.wait(lock, [this] { return !reader_->stalls; });
    reader_->text += line;
  }
  Result<void> reopen() override {
    const std::lock_guard lock(reader_->mutex);
    if (++reader_->reopened > 1) return std::unexpected(Failure("log file l: it has gone"));
    return {};
  }

 private:
  std::shared_ptr<Reader> reader_;
};

struct Logged {
  std::shared_ptr<Reader> reader = std::make_shared<Reader>();
  LogQueue queue{"wg0", std::make_unique<spdlog::pattern_formatter>("%n: %v"),
                 std::make_unique<FakeOutput>(reader)};

  void say(const std::string& line) { queue.push(spdlog::level::info, line); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(lines_come_out_in_order_and_the_last_ones_at_the_end) {
  Logged log;
  std::string expected;
  for (int i = 0; i < 1000; i++) {
    const std::string line = std::to_string(i) + "\n";
    log.say(line);
    expected += line;
  }
  log.queue.close();
  BOOST_TEST(log.reader->text == expected);
  log.say("too late\n");
  BOOST_TEST(log.reader->text == expected);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_counted_where_it_is_missing) {
  Logged log;
  log.reader->stall(true);
  log.say("first\n");
  log.reader->wait_for_line();
  const std::string kilobyte = std::string(1023, 'x') + "\n";
  for (std::size_t i = 0; i < 2 * LogQueue::kBytesMax / kilobyte.size(); i++) log.say(kilobyte);
  log.say("small\n");  // it would fit, but then the count would stand behind it
  log.reader->stall(false);
  log.queue.close();
  const std::string& text = log.reader->text;
  const std::size_t taken = static_cast<std::size_t>(std::ranges::count(text, '\n')) - 2;
  const std::size_t lost = 2 * LogQueue::kBytesMax / kilobyte.size() + 1 - taken;
  BOOST_TEST(lost > 0u);
  BOOST_TEST(
      text.ends_with("x\nwg0: " + std::to_string(lost) + " lines did not fit and were dropped\n"));
}

BOOST_AUTO_TEST_CASE(the_end_does_not_wait_for_a_reader_that_stalls) {
  Logged log;
  log.reader->stall(true);
  log.say("first\n");
  const auto began = std::chrono::steady_clock::now();
  log.queue.close();
  const auto took = std::chrono::steady_clock::now() - began;
  BOOST_TEST(took >= LogQueue::kEndWait);
  BOOST_TEST(took < LogQueue::kEndWait + 2s);
  log.reader->stall(false);
}

BOOST_AUTO_TEST_CASE(it_is_opened_anew_before_the_next_line) {
  Logged log;
  log.queue.reopen();
  log.say("after\n");
  log.queue.close();
  BOOST_TEST(log.reader->reopened == 1);
  Logged failing;
  failing.reader->reopened = 1;
  failing.queue.reopen();
  failing.queue.close();
  BOOST_TEST(failing.reader->text == "wg0: log file l: it has gone\n");
}
