// The command line and the environment, as one structure.
#pragma once

#include <spdlog/common.h>

#include <optional>
#include <string>
#include <variant>

#include "conn/network.hpp"
#include "device/pipeline_trial.hpp"
#include "errors/failure.hpp"

namespace wg::daemon {

struct Options {
  std::string interface;
  bool foreground = false;
  std::string log_file;  // empty: stderr in the foreground, else syslog
  spdlog::level::level_enum log_level = spdlog::level::info;
  conn::Network network = conn::Network::Udp;
  std::string key_log;      // empty: none
  std::size_t threads = 1;  // shards
  device::PipelineMode help = device::PipelineMode::Auto;
  std::optional<int> tun_fd;  // inherited instead of opened here
  std::optional<int> uapi_fd;
};

/// What to print, and the exit code, instead of running: for --help, --version and wrong usage.
struct Exit {
  int code;
  std::string text;
};

/// What encrypts, for --version and the log.
[[nodiscard]] std::string aead_text();

/// Also chooses the AEAD as WG_AEAD says.
[[nodiscard]] std::variant<Options, Exit> parse_options(int argc, char** argv);

}  // namespace wg::daemon
