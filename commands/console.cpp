#include "commands/console.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "config/conf_file.hpp"
#include "errors/descriptor.hpp"

namespace wg::commands {

CommandLine::CommandLine(const CommandRow& row)
    : CLI::App(std::string(row.text), "wireguard-cpp " + std::string(row.name)) {}

std::optional<int> CommandLine::read(Arguments arguments) {
  std::vector<const char*> all{"wireguard-cpp"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  try {
    parse(static_cast<int>(all.size()), all.data());
  } catch (const CLI::CallForHelp&) {
    return print(help());
  } catch (const CLI::ParseError& error) {
    return fail(Failure(error.what()).hint("see '{} --help'", get_name()));
  }
  return std::nullopt;
}

int print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return EXIT_SUCCESS;
  }
  return fail(Failure::system(errno).during("writing the output"));
}

int fail(const Failure& failure) {
  fmt::print(stderr, "wireguard-cpp: {}\n", failure.text());
  return EXIT_FAILURE;
}

void remark(std::string_view text) {
  fmt::print(stderr, "{}\n", text);
}

Result<crypto::SecretText> read_file(const std::string& path) {
  const bool standard = path == "-";
  const Descriptor file(standard ? ::dup(STDIN_FILENO)
                                 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    const Failure failure = Failure::system(errno).during("{}", path);
    if (failure.code().value() == ENOENT) {
      return std::unexpected(failure.hint("name the file, or a NAME for /etc/wireguard/NAME.conf"));
    }
    return std::unexpected(failure);
  }
  constexpr std::size_t kPiece = 64 * 1024;
  crypto::SecretText text;
  for (;;) {
    const std::size_t before = text.size();
    const auto room = text.grow(kPiece);
    const ssize_t size = ::read(file.get(), room.data(), room.size());
    if (size < 0 && errno == EINTR) {
      text.cut(before);
      continue;
    }
    if (size < 0) return std::unexpected(Failure::system(errno).during("{}", path));
    text.cut(before + static_cast<std::size_t>(size));
    if (size == 0) return text;
    if (text.size() > config::kFileBytesMax) {
      return std::unexpected(
          Failure("larger than 512 MiB, so no configuration").during("{}", path));
    }
  }
}

std::string conf_path(const std::string& named) {
  constexpr std::size_t kNameMax = 15;
  const bool bare = !named.empty() && named.size() <= kNameMax && named != "-" &&
                    named.find_first_not_of(
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789_=+.-") == std::string::npos &&
                    !named.ends_with(".conf");
  return bare ? "/etc/wireguard/" + named + ".conf" : named;
}

}  // namespace wg::commands
