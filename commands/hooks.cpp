#include "commands/hooks.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "commands/process.hpp"

namespace wg::commands {
namespace {

std::string with_name(std::string command, const std::string& interface) {
  for (std::size_t at = 0; (at = command.find("%i", at)) != std::string::npos;) {
    command.replace(at, 2, interface);
    at += interface.size();
  }
  return command;
}

bool others_may_write(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return false;
  return status.st_uid != 0 || (status.st_mode & S_IWOTH) != 0 ||
         ((status.st_mode & S_IWGRP) != 0 && status.st_gid != 0);
}

}  // namespace

Result<void> run_hook(const config::Hook& hook, const std::string& interface,
                      const std::string& file) {
  const std::string command = with_name(hook.command, interface);
  const bool bash = is_program("bash");
  const std::string before = bash ? "set -e -o pipefail; shopt -s extglob\n" : "set -e\n";
  const Variables variables{{"INTERFACE", interface}, {"CONFIG_FILE", file}, {"LC_ALL", "C"}};
  auto ran = run({bash ? "bash" : "sh", "-c", before + command}, {}, variables);
  if (!ran) {
    return std::unexpected(ran.error().during("{}:{}: '{}'", file, hook.line, command));
  }
  return {};
}

std::string why_no_hooks(const std::string& file) {
  const char* const caller = std::getenv("SUDO_UID");
  if (caller == nullptr || std::string_view(caller) == "0") return {};
  const std::string folder = std::filesystem::absolute(file).parent_path().string();
  for (const std::string& path : {file, folder}) {
    if (!others_may_write(path)) continue;
    return fmt::format(
        "{}: its hooks are not run, since others than root may write to {}: they could run "
        "anything "
        "as root through sudo; 'chown root' and 'chmod go-w' it",
        file, path);
  }
  return {};
}

}  // namespace wg::commands
