// wireguard-cpp: a userspace WireGuard for Linux. The way of the start: options, background, log,
// tunnel, ready, run.
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <span>

#include "commands/command_table.hpp"
#include "crypto/secret.hpp"
#include "daemon/background.hpp"
#include "daemon/log.hpp"
#include "daemon/options.hpp"
#include "daemon/tunnel.hpp"

namespace {

using namespace wg;

/// Keys must not end up in a core file, nor be read by another process of the same user.
void forbid_core_dumps() {
  constexpr rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

/// Streams take a descriptor each.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// To a terminal, or whatever takes its place. A reader that stalls must not keep us from ending.
void say(const std::string& text) {
  pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  constexpr int kMilliseconds = 500;
  if (::poll(&room, 1, kMilliseconds) > 0) fmt::print(stderr, "wireguard-cpp: {}\n", text);
}

/// Until the tunnel's end. `ready` is called when it is there.
Result<void> carry_tunnel(const daemon::Options& options,
                          const std::shared_ptr<spdlog::logger>& log,
                          const std::function<void()>& ready) {
  auto tunnel = daemon::Tunnel::open(options, log);
  if (!tunnel) return std::unexpected(tunnel.error());
  // Here rights could be given up: nothing of the tunnel runs yet.
  if (auto started = (*tunnel)->start(); !started) return started;
  ready();
  auto ended = (*tunnel)->run();
  if (!ended) log->critical("ending: {}", ended.error().text());
  return ended;
}

Result<void> run(const daemon::Options& options) {
  std::vector<int> keep;
  for (const auto& fd : {options.tun_fd, options.uapi_fd}) {
    if (fd) keep.push_back(*fd);
  }
  std::optional<daemon::Background> background;
  if (!options.foreground) {
    auto entered = daemon::Background::enter(keep);
    if (!entered) return std::unexpected(entered.error());
    background = std::move(*entered);
  }
  std::string notice;
  auto log = daemon::open_log(options, notice);
  if (!log) return std::unexpected(log.error());
  daemon::log_before_abort(*log);
  auto ended = carry_tunnel(options, *log, [&] {
    if (!notice.empty()) say(fmt::format("{}: {}", options.interface, notice));
    if (background) background->ready();
  });
  daemon::close_log(**log);
  return ended;
}

int fail(const Failure& failure) {
  say(failure.text());
  return EXIT_FAILURE;
}

int perform(const daemon::Exit& exit) {
  fmt::print(exit.code == 0 ? stdout : stderr, "{}", exit.text);
  return exit.code;
}

int perform(const daemon::PrintVersion& version) {
  if (auto chosen = daemon::choose_aead(version.aead); !chosen) return fail(chosen.error());
  fmt::print("{}", daemon::version_text());
  return EXIT_SUCCESS;
}

int perform(const daemon::RunDaemon& command) {
  if (!crypto::initialise()) return fail(Failure("the system has no usable randomness"));
  if (auto chosen = daemon::choose_aead(command.options.aead); !chosen) {
    return fail(chosen.error());
  }
  forbid_core_dumps();
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  if (auto ended = run(command.options); !ended) return fail(ended.error());
  return EXIT_SUCCESS;
}

/// None: the first word is no sub-command.
std::optional<int> perform_command(std::span<const char* const> words) {
  const auto* const row = words.empty() ? nullptr : commands::find_command(words.front());
  if (row == nullptr) return std::nullopt;
  if (!crypto::initialise()) return fail(Failure("the system has no usable randomness"));
  return row->run(*row, words.subspan(1));
}

}  // namespace

int main(int argc, char** argv) try {
  daemon::open_standard_descriptors();
  const std::span<const char* const> words(argv, static_cast<std::size_t>(argc));
  if (const auto code = perform_command(words.subspan(std::min<std::size_t>(1, words.size())))) {
    return *code;
  }
  return std::visit([](const auto& command) { return perform(command); },
                    daemon::parse_command_line(argc, argv));
} catch (const std::exception& error) {
  return fail(Failure(error.what()));
}
