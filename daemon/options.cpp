#include "daemon/options.hpp"

#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <ranges>

#include "commands/command_table.hpp"
#include "crypto/aead.hpp"
#include "daemon/option_table.hpp"
#include "daemon/version.hpp"
#include "settings/interface_name.hpp"

namespace wg::daemon {
namespace {

constexpr const char* kExample = R"(
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

/// Throws what CLI11 reports for a wrong option.
void take_or_throw(const OptionRow& row, Options& options, std::string_view name,
                   const std::string& value) {
  if (const auto wrong = take_value(row, options, value)) {
    throw CLI::ValidationError(std::string(name), *wrong);
  }
}

void read_environment(Options& options) {
  for (const OptionRow& row : option_rows() | std::views::reverse) {  // the first is to win
    if (row.variable.empty()) continue;
    const char* const value = std::getenv(std::string(row.variable).c_str());
    if (value != nullptr && *value != '\0') take_or_throw(row, options, row.variable, value);
  }
}

void add_flags(CLI::App& app, Options& options) {
  for (const OptionRow& row : option_rows()) {
    if (row.flags.empty()) continue;
    const std::string flags(row.flags);
    const std::string text = plain(text_with_values(row));
    if (row.take == nullptr) {
      if (flags == "--version") app.set_version_flag(flags, std::string(), text);
      if (flags.ends_with("--help")) app.set_help_flag(flags, text);
    } else if (row.argument.empty()) {
      app.add_flag_callback(flags, [&row, &options] { (void)row.take(options, "1"); }, text);
    } else {
      const std::string_view name = parts(row.flags).back();
      app.add_option_function<std::string>(
             flags,
             [&row, &options, name](const std::string& value) {
               take_or_throw(row, options, name, value);
             },
             text)
          ->type_name(std::string(row.argument));
    }
  }
}

/// `--version` says what would encrypt, and heeds no other variable.
std::string aead_from_environment() {
  const char* const value = std::getenv("WG_AEAD");
  return value == nullptr || *value == '\0' ? Options().aead : value;
}

std::string footer() {
  std::string text = "Environment:\n";
  for (const OptionRow& row : option_rows()) {
    if (row.variable.empty()) continue;
    const std::string meaning = row.flags.empty()
                                    ? text_with_values(row)
                                    : fmt::format("1: the same as {}", parts(row.flags).back());
    text += fmt::format("  {:<26}  {}\n", row.variable, plain(meaning));
  }
  text +=
      "\nSub-commands ('wireguard-cpp NAME --help'; an interface of such a name needs '--' before "
      "it):\n";
  for (const commands::CommandRow& row : commands::command_rows()) {
    text += fmt::format("  {:<26}  {}\n", row.name, plain(row.text));
  }
  return text + kExample;
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  Options options;
  options.threads = usable_cpus();
  CLI::App app(
      "A userspace WireGuard for Linux: makes the interface INTERFACE and carries its tunnel.",
      "wireguard-cpp");
  app.add_option("INTERFACE", options.interface,
                 "The interface's name, e.g. wg0; wg%d takes a free number")
      ->required()
      ->type_name("");
  add_flags(app, options);
  app.footer(footer());
  try {
    app.parse(argc, argv);
    read_environment(options);
    if (const auto wrong = settings::interface_name_error(options.interface)) {
      throw CLI::ValidationError("interface name '" + options.interface + "'", *wrong);
    }
  } catch (const CLI::CallForHelp&) {
    return Exit{0, app.help()};
  } catch (const CLI::CallForVersion&) {
    return PrintVersion{aead_from_environment()};
  } catch (const CLI::ParseError& error) {
    return Exit{1, fmt::format("wireguard-cpp: {}; see 'wireguard-cpp --help'\n", error.what())};
  }
  return RunDaemon{std::move(options)};
}

Result<void> choose_aead(const std::string& name) {
  switch (crypto::choose_train_kernel(name)) {
    case crypto::KernelChoice::Taken:
      return {};
    case crypto::KernelChoice::NotUsableHere:
      return std::unexpected(Failure("WG_AEAD: this CPU or system has no " + name)
                                 .hint("'auto' takes the fastest that it has"));
    case crypto::KernelChoice::Unknown:
      break;
  }
  return std::unexpected(Failure("WG_AEAD: there is no '" + name + "'"));
}

std::string aead_text() {
  return fmt::format("AEAD of transport data: {}, single packets by {}", crypto::train_kernel(),
                     crypto::train_library());
}

std::string version_text() {
  return fmt::format("wireguard-cpp {}\n{}\n", WG_VERSION, aead_text());
}

}  // namespace wg::daemon
