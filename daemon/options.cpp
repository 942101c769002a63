#include "daemon/options.hpp"

#include <fcntl.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "crypto/aead.hpp"
#include "daemon/version.hpp"
#include "tun/kernel/kernel_tun.hpp"

namespace wg::daemon {
namespace {

constexpr std::size_t kThreadsMax = 64;

constexpr const char* kFooter = R"(Environment:
  LOG_LEVEL=verbose|debug|info|error|silent   what is logged (info)
  WG_THREADS=N               threads that carry packets (the CPUs that we may use)
  WG_PROCESS_FOREGROUND=1    the same as --foreground
  WG_TUN_FD=N                use this descriptor of /dev/net/tun, attached to an interface
  WG_UAPI_FD=N               use this listening socket for UAPI
  WG_HELP=auto|always|never  whether a saturated one of them is helped by an idle one
  WG_AEAD=auto|avx512|avx2|library   what encrypts; auto: the fastest that this CPU can run

Configure the interface with wg(8) and ip(8):
  wireguard-cpp wg0
  wg set wg0 private-key ./key listen-port 51820 peer PUBLIC_KEY allowed-ips 10.0.0.2/32
  ip address add 10.0.0.1/24 dev wg0
  ip link set wg0 up
'ip link delete wg0' ends it.)";

std::size_t usable_cpus() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return std::min(static_cast<std::size_t>(std::max(count, 1)), kThreadsMax);
}

/// An environment variable as a number; none if it is not set. Throws what CLI11 reports for a
/// wrong option.
std::optional<int> number_from(const char* name, int least, int most) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  if (error != std::errc{} || *end != '\0' || value < least || value > most) {
    throw CLI::ValidationError(name, fmt::format("'{}' is no number of {}…{}", text, least, most));
  }
  return value;
}

std::optional<int> descriptor_from(const char* name) {
  const auto fd = number_from(name, 3, 1 << 20);
  if (fd && ::fcntl(*fd, F_GETFD) < 0) {
    throw CLI::ValidationError(name, fmt::format("{} is no open descriptor", *fd));
  }
  return fd;
}

spdlog::level::level_enum level_from_environment() {
  const char* const text = std::getenv("LOG_LEVEL");
  const std::string level = text == nullptr ? "" : text;
  if (level == "verbose" || level == "debug") return spdlog::level::debug;
  if (level == "info" || level.empty()) return spdlog::level::info;
  if (level == "error") return spdlog::level::err;
  if (level == "silent") return spdlog::level::off;
  throw CLI::ValidationError("LOG_LEVEL",
                             "'" + level + "' is none of verbose, debug, info, error, silent");
}

/// What the variable says; "auto" if it is not set.
std::string choice_from(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? "auto" : text;
}

device::PipelineMode help_from_environment() {
  const std::string mode = choice_from("WG_HELP");
  if (mode == "auto") return device::PipelineMode::Auto;
  if (mode == "always") return device::PipelineMode::Always;
  if (mode == "never") return device::PipelineMode::Never;
  throw CLI::ValidationError("WG_HELP", "'" + mode + "' is none of auto, always, never");
}

/// A file as it is named where the daemon is started; it works in another folder, `/`.
void make_absolute(std::string& path) {
  if (path.empty()) return;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) {
    throw CLI::ValidationError(path, "the current folder has no name any more (" + error.message() +
                                         "); name a file from /");
  }
  path = absolute.string();
}

void choose_aead() {
  const std::string name = choice_from("WG_AEAD");
  switch (crypto::choose_train_kernel(name)) {
    case crypto::KernelChoice::Taken:
      return;
    case crypto::KernelChoice::NotUsableHere:
      throw CLI::ValidationError("WG_AEAD", "this CPU or system has no " + name +
                                                "; 'auto' takes the fastest that it has");
    case crypto::KernelChoice::Unknown:
      throw CLI::ValidationError("WG_AEAD",
                                 "'" + name + "' is none of auto, avx512, avx2, library");
  }
}

void read_environment(Options& options) {
  options.log_level = level_from_environment();
  const auto threads = number_from("WG_THREADS", 1, kThreadsMax);
  options.threads = threads ? static_cast<std::size_t>(*threads) : usable_cpus();
  options.help = help_from_environment();
  options.tun_fd = descriptor_from("WG_TUN_FD");
  options.uapi_fd = descriptor_from("WG_UAPI_FD");
  choose_aead();
  const char* const foreground = std::getenv("WG_PROCESS_FOREGROUND");
  if (foreground != nullptr && std::strcmp(foreground, "1") == 0) options.foreground = true;
}

std::string version_text() {
  choose_aead();
  return fmt::format("wireguard-cpp {}\n{}", WG_VERSION, aead_text());
}

}  // namespace

std::string aead_text() {
  return fmt::format("AEAD of transport data: {}, single packets by {}", crypto::train_kernel(),
                     crypto::train_library());
}

std::variant<Options, Exit> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app(
      "A userspace WireGuard for Linux: makes the interface INTERFACE and carries its tunnel.",
      "wireguard-cpp");
  app.add_option("INTERFACE", options.interface,
                 "The interface's name, e.g. wg0; wg%d takes a free number")
      ->required()
      ->type_name("");
  app.add_flag("-f,--foreground", options.foreground, "Stay in the foreground and log to stderr");
  app.add_option("--log-file", options.log_file, "Log to this file; SIGHUP opens it anew")
      ->type_name("FILE");
  app.add_option_function<std::string>(
         "-n,--network",
         [&options](const std::string& name) {
           const auto network = conn::parse_network(name);
           if (!network) {
             throw CLI::ValidationError("--network",
                                        "'" + name + "' is none of " + conn::kNetworkNames);
           }
           options.network = *network;
         },
         "What carries the tunnel: udp (default), tcp, tcp4, tcp6, vsock")
      ->type_name("NETWORK");
  app.add_option(
         "--keylog", options.key_log,
         "For debugging: write the secrets of handshakes to this file, for tshark's wg.keylog_file")
      ->type_name("FILE");
  app.set_version_flag("--version", version_text);
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
    read_environment(options);
    make_absolute(options.log_file);
    make_absolute(options.key_log);
    if (const auto wrong = tun::interface_name_error(options.interface)) {
      throw CLI::ValidationError("interface name '" + options.interface + "'", *wrong);
    }
  } catch (const CLI::CallForHelp&) {
    return Exit{0, app.help()};
  } catch (const CLI::CallForVersion& version) {
    return Exit{0, std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return Exit{1, fmt::format("wireguard-cpp: {}; see 'wireguard-cpp --help'\n", error.what())};
  }
  return options;
}

}  // namespace wg::daemon
