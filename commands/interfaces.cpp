#include "commands/interfaces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "uapi/server.hpp"

namespace wg::commands {

std::vector<std::string> running_interfaces() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(uapi::kSocketFolder, error)) {
    const std::filesystem::path& path = entry.path();
    if (path.extension() != ".sock") continue;
    if (uapi::Client::connect(path.string())) names.push_back(path.stem().string());
  }
  std::ranges::sort(names);
  return names;
}

bool is_running(const std::string& interface) {
  return uapi::Client::connect(uapi::socket_path(interface)).has_value();
}

Result<uapi::Client> connect(const std::string& interface) {
  auto client = uapi::Client::connect(uapi::socket_path(interface));
  if (client) return client;
  const int reason = client.error().code().value();
  if (reason == EACCES || reason == EPERM) {
    return std::unexpected(Failure::system(reason).during("{}", interface).hint("run it as root"));
  }
  const auto running = running_interfaces();
  return std::unexpected(
      Failure(fmt::format("{}: no WireGuard interface of that name can be asked", interface))
          .hint("{}", running.empty() ? "none is running"
                                      : fmt::format("running: {}", fmt::join(running, ", "))));
}

}  // namespace wg::commands
