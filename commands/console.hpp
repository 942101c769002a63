// What sub-commands share in talking to the user: their arguments, their output, their failures.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "commands/command_table.hpp"
#include "crypto/secret_text.hpp"
#include "errors/failure.hpp"

namespace wg::commands {

/// The parser of a sub-command, with its name and text.
class CommandLine : public CLI::App {
 public:
  explicit CommandLine(const CommandRow& row);
  /// None: go on. Else the exit code, after --help or a mistake, which has been told.
  [[nodiscard]] std::optional<int> read(Arguments arguments);
};

/// To stdout. A failure (a full disk, a reader that has gone) is told, and the exit code says so.
[[nodiscard]] int print(std::string_view text);
/// Says what has failed; returns the exit code 1.
int fail(const Failure& failure);
/// A remark beside the output.
void remark(std::string_view text);

/// All of a file, or of stdin (`-`). Wipes itself: there may be keys in it.
[[nodiscard]] Result<crypto::SecretText> read_file(const std::string& path);

/// The file that a user means: a path, or a bare name of one in /etc/wireguard.
[[nodiscard]] std::string conf_path(const std::string& named);

}  // namespace wg::commands
