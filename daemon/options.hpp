// The command line and the environment, as one structure. Parsing reads; it changes nothing outside
// its result, which says what is to be done.
//
// What can be said is a table (option_table.hpp).
#pragma once

#include <spdlog/common.h>

#include <optional>
#include <string>
#include <variant>

#include "conn/network.hpp"
#include "device/pipeline_trial.hpp"
#include "errors/failure.hpp"

namespace wg::daemon {

inline constexpr std::size_t kThreadsMax = 64;

struct Options {
  std::string interface;
  bool foreground = false;
  std::string log_file;  // absolute; empty: stderr in the foreground, else syslog
  spdlog::level::level_enum log_level = spdlog::level::info;
  conn::Network network = conn::Network::Udp;
  std::string key_log;      // absolute; empty: none
  std::size_t threads = 1;  // shards
  device::PipelineMode pipeline = device::PipelineMode::Auto;
  std::string aead = "auto";  // for `choose_aead`
  std::optional<int> tun_fd;  // inherited instead of opened here
  std::optional<int> uapi_fd;
};

// ---- What is to be done

struct RunDaemon {
  Options options;
};

struct PrintVersion {
  std::string aead;  // as in Options
};

/// To print, and the exit code: for --help and wrong usage.
struct Exit {
  int code;
  std::string text;
};

using Command = std::variant<RunDaemon, PrintVersion, Exit>;

[[nodiscard]] Command parse_command_line(int argc, const char* const* argv);

// ---- What encrypts

/// For the whole process; before the first packet.
[[nodiscard]] Result<void> choose_aead(const std::string& name);
/// What has been chosen, for --version and the log.
[[nodiscard]] std::string aead_text();
[[nodiscard]] std::string version_text();

}  // namespace wg::daemon
