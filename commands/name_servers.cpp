#include "commands/name_servers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "commands/process.hpp"

namespace wg::commands {
namespace {

/// Debian's resolvconf orders records by their names: one that begins like this goes first.
std::string resolvconf_name(const std::string& interface) {
  std::ifstream order("/etc/resolvconf/interface-order");
  std::string line;
  while (std::getline(order, line)) {
    if (line.size() > 1 && line.ends_with('*') &&
        line.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") ==
            line.size() - 1) {
      const std::string prefix = line.substr(0, line.size() - 1);
      return prefix + (prefix.ends_with('.') ? "" : ".") + interface;
    }
  }
  return interface;
}

Step by_resolvectl(const std::string& interface, const config::HostSettings& file) {
  std::vector<std::string> servers{"resolvectl", "dns", interface};
  servers.insert(servers.end(), file.dns_servers.begin(), file.dns_servers.end());
  std::vector<std::string> domains{"resolvectl", "domain", interface, "~."};
  domains.insert(domains.end(), file.search_domains.begin(), file.search_domains.end());
  return {.text = fmt::format("{} && {}", fmt::join(servers, " "), fmt::join(domains, " ")),
          .undo = {undo_resolvectl(interface)},
          .perform = [servers, domains]() -> Result<void> {
            if (auto set = run(servers); !set) return set;
            return run(domains);
          },
          .line = file.dns_line,
          .may_fail = true};
}

Step by_resolvconf(const std::string& interface, const config::HostSettings& file) {
  const std::string name = resolvconf_name(interface);
  std::string input;
  for (const std::string& server : file.dns_servers) input += "nameserver " + server + "\n";
  if (!file.search_domains.empty()) {
    input += fmt::format("search {}\n", fmt::join(file.search_domains, " "));
  }
  return {
      .text = fmt::format("resolvconf -a {} -m 0 -x", name),
      .undo = {undo_resolvconf(name)},
      .perform = [name, input] { return run({"resolvconf", "-a", name, "-m", "0", "-x"}, input); },
      .line = file.dns_line,
      .may_fail = true};
}

}  // namespace

Step set_name_servers(const std::string& interface, const config::HostSettings& file) {
  const bool resolved = std::filesystem::exists("/run/systemd/resolve/io.systemd.Resolve");
  if (resolved && is_program("resolvectl")) return by_resolvectl(interface, file);
  if (is_program("resolvconf")) return by_resolvconf(interface, file);
  return {
      .text = fmt::format("set name servers {}", fmt::join(file.dns_servers, ", ")),
      .undo = {},
      .perform = []() -> Result<void> {
        return std::unexpected(
            Failure("neither systemd-resolved runs nor resolvconf is there, so name servers stay "
                    "as they are")
                .hint("install resolvconf or openresolv, or leave DNS out"));
      },
      .line = file.dns_line,
      .may_fail = true};
}

}  // namespace wg::commands
