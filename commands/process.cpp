#include "commands/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "errors/descriptor.hpp"

extern char** environ;

namespace wg::commands {
namespace {

/// What tells a child that it is a service's main process, or hands it sockets, is not for ours.
bool is_service_managers(std::string_view variable) noexcept {
  return variable.starts_with("NOTIFY_SOCKET=") || variable.starts_with("LISTEN_") ||
         variable.starts_with("WATCHDOG_");
}

std::vector<std::string> environment(const Variables& added) {
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; variable++) {
    const std::string_view text(*variable);
    const bool replaced = std::ranges::any_of(
        added, [&](const auto& pair) { return text.starts_with(pair.first + "="); });
    if (!replaced && !is_service_managers(text)) all.emplace_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

/// A file in memory that holds the input.
Descriptor file_of(std::string_view input) {
  Descriptor file(::memfd_create("input", MFD_CLOEXEC));
  while (file && !input.empty()) {
    const ssize_t size = ::write(file.get(), input.data(), input.size());
    if (size < 0) return {};
    input.remove_prefix(static_cast<std::size_t>(size));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

Result<int> spawn(std::vector<std::string> words, const Descriptor& input,
                  const Variables& variables) {
  const std::string name = words.front();
  std::vector<std::string> added = environment(variables);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, name.c_str(), &actions, nullptr,
                                   pointers(words).data(), pointers(added).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::unexpected(Failure::system(error).during("{}", name));
  return process;
}

}  // namespace

Result<void> run(const std::vector<std::string>& words, std::string_view input,
                 const Variables& variables) {
  const Descriptor file = file_of(input);
  if (!file) return std::unexpected(Failure::system(errno).during("input of {}", words.front()));
  const auto process = spawn(words, file, variables);
  if (!process) return std::unexpected(process.error());
  const int code = wait_for(*process);
  if (code == 0) return {};
  return std::unexpected(Failure(fmt::format("{}: it ended with status {}", words.front(), code)));
}

Result<int> start(const std::vector<std::string>& words, const Variables& variables) {
  const Descriptor none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  return spawn(words, none, variables);
}

int wait_for(int process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool is_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::string_view folders = path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin";
  while (!folders.empty()) {
    const std::size_t colon = std::min(folders.find(':'), folders.size());
    const std::string file = std::string(folders.substr(0, colon)) + "/" + name;
    if (::access(file.c_str(), X_OK) == 0) return true;
    folders.remove_prefix(std::min(colon + 1, folders.size()));
  }
  return false;
}

}  // namespace wg::commands
