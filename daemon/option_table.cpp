#include "daemon/option_table.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace wg::daemon {
namespace {

using Wrong = std::optional<std::string>;

/// A number within bounds, into `number`.
template <class Number>
Wrong take_number(const std::string& text, int least, int most, Number& number) {
  int value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last || value < least || value > most) {
    return fmt::format("'{}' is no number of {}…{}", text, least, most);
  }
  number = static_cast<Number>(value);
  return std::nullopt;
}

Wrong take_descriptor(const std::string& text, std::optional<int>& descriptor) {
  int fd = -1;
  if (auto wrong = take_number(text, 3, 1 << 20, fd)) return wrong;
  if (::fcntl(fd, F_GETFD) < 0) return fmt::format("{} is no open descriptor", fd);
  descriptor = fd;
  return std::nullopt;
}

/// A file as it is named where the daemon is started; it works in another folder, `/`.
Wrong take_file(const std::string& name, std::string& path) {
  if (name.empty()) return "the file has no name";
  std::error_code error;
  path = std::filesystem::absolute(name, error).string();
  if (!error) return std::nullopt;
  return fmt::format("'{}': the current folder is not there ({}); name the file from /", name,
                     error.message());
}

Wrong take_foreground(Options& options, const std::string& value) {
  // Of the variable, any other value counts as not set, as in wireguard-go.
  if (value == "1") options.foreground = true;
  return std::nullopt;
}

Wrong take_level(Options& options, const std::string& value) {
  if (value == "verbose" || value == "debug") options.log_level = spdlog::level::debug;
  if (value == "info") options.log_level = spdlog::level::info;
  if (value == "error") options.log_level = spdlog::level::err;
  if (value == "silent") options.log_level = spdlog::level::off;
  return std::nullopt;
}

Wrong take_pipeline(Options& options, const std::string& value) {
  if (value == "auto") options.pipeline = device::PipelineMode::Auto;
  if (value == "always") options.pipeline = device::PipelineMode::Always;
  if (value == "never") options.pipeline = device::PipelineMode::Never;
  return std::nullopt;
}

constexpr std::string_view kPipelineValues = "auto, always, never";

constexpr OptionRow kRows[] = {
    {.flags = "-f,--foreground",
     .variable = "WG_PROCESS_FOREGROUND",
     .argument = "",
     .values = "",
     .text = "stay in the foreground and log to stderr",
     .more = "",
     .take = take_foreground},
    {.flags = "-n,--network",
     .variable = "",
     .argument = "NETWORK",
     .values = "udp, tcp, tcp4, tcp6, vsock",
     .text = "the outer network",
     .more = "`tcp` means both families. Endpoints over `vsock` are a context identifier and a "
             "port; wg(8) takes the identifier written as an IPv4 address: `0.0.0.2:8172` is the "
             "host's port 8172. Without a listening port a stream only dials.",
     .take = [](Options& options, const std::string& value) -> Wrong {
       if (const auto network = conn::parse_network(value)) options.network = *network;
       return std::nullopt;
     }},
    {.flags = "--log-file",
     .variable = "",
     .argument = "FILE",
     .values = "",
     .text = "log to this file; SIGHUP opens it anew",
     .more = "",
     .take = [](Options& options,
                const std::string& value) { return take_file(value, options.log_file); }},
    {.flags = "--keylog",
     .variable = "",
     .argument = "FILE",
     .values = "",
     .text = "for debugging: write handshakes' secrets, for tshark's `wg.keylog_file`",
     .more = "Refused if the file is another user's, or others may read it.",
     .take = [](Options& options,
                const std::string& value) { return take_file(value, options.key_log); }},
    {.flags = "--version",
     .variable = "",
     .argument = "",
     .values = "",
     .text = "print the version, and what encrypts",
     .more = "",
     .take = nullptr},
    {.flags = "-h,--help",
     .variable = "",
     .argument = "",
     .values = "",
     .text = "print what can be said to it",
     .more = "",
     .take = nullptr},
    {.flags = "",
     .variable = "LOG_LEVEL",
     .argument = "",
     .values = "info, verbose, debug, error, silent",
     .text = "what is logged",
     .more = "`verbose` and `debug` are the same.",
     .take = take_level},
    {.flags = "",
     .variable = "WG_THREADS",
     .argument = "",
     .values = "",
     .text = "threads that carry packets; default: the CPUs that it may use",
     .more = "",
     .take =
         [](Options& options, const std::string& value) {
           return take_number(value, 1, static_cast<int>(kThreadsMax), options.threads);
         }},
    {.flags = "",
     .variable = "WG_PIPELINE",
     .argument = "",
     .values = kPipelineValues,
     .text = "whether idle threads write what others open",
     .more = "`auto` tries it where one thread cannot keep up, and keeps to it if it pays.",
     .take = take_pipeline},
    {.flags = "",
     .variable = "WG_HELP",
     .argument = "",
     .values = kPipelineValues,
     .text = "the old name of `WG_PIPELINE`, which wins",
     .more = "",
     .take = take_pipeline},
    {.flags = "",
     .variable = "WG_AEAD",
     .argument = "",
     .values = "auto, avx512, avx2, library",
     .text = "what encrypts",
     .more = "`auto` is the fastest that this CPU can run; `library` has no code of our own.",
     .take = [](Options& options, const std::string& value) -> Wrong {
       options.aead = value;
       return std::nullopt;
     }},
    {.flags = "",
     .variable = "WG_TUN_FD",
     .argument = "",
     .values = "",
     .text = "a descriptor of `/dev/net/tun`, attached to an interface, to use",
     .more = "",
     .take = [](Options& options,
                const std::string& value) { return take_descriptor(value, options.tun_fd); }},
    {.flags = "",
     .variable = "WG_UAPI_FD",
     .argument = "",
     .values = "",
     .text = "a listening socket to use for UAPI",
     .more = "",
     .take = [](Options& options,
                const std::string& value) { return take_descriptor(value, options.uapi_fd); }},
};

}  // namespace

std::span<const OptionRow> option_rows() {
  return kRows;
}

Wrong take_value(const OptionRow& row, Options& options, const std::string& value) {
  if (!row.values.empty() && std::ranges::count(parts(row.values), value) == 0) {
    return fmt::format("'{}' is none of {}", value, row.values);
  }
  return row.take(options, value);
}

std::vector<std::string_view> parts(std::string_view list) {
  std::vector<std::string_view> found;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    found.push_back(list.substr(0, comma));
    const std::size_t next = list.find_first_not_of(", ", comma);
    list.remove_prefix(std::min(next, list.size()));
  }
  return found;
}

std::string text_with_values(const OptionRow& row) {
  std::string text(row.text);
  if (row.values.empty()) return text;
  const char* between = ": ";
  for (const std::string_view value : parts(row.values)) {
    text += fmt::format("{}`{}`{}", between, value, between[0] == ':' ? " (default)" : "");
    between = ", ";
  }
  return text;
}

std::string plain(std::string_view text) {
  std::string bare(text);
  std::erase(bare, '`');
  return bare;
}

}  // namespace wg::daemon
