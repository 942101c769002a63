// The sub-commands, one row each: what runs them, `--help` and the documents are made from these
// rows.
//
// They are front ends, as wg(8) is one: they talk to a daemon over its UAPI socket and to the
// kernel over netlink, and never see the packet engine. Where a sub-command's name is meant as an
// interface's, `--` goes before it.
#pragma once

#include <span>
#include <string_view>

namespace wg::commands {

/// What follows the sub-command's name.
using Arguments = std::span<const char* const>;

struct CommandRow {
  std::string_view name;
  std::string_view arguments;  // as a usage line has them
  std::string_view text;       // what it does; a phrase
  /// The exit code. What fails is said on stderr.
  int (*run)(const CommandRow& row, Arguments arguments);
};

[[nodiscard]] std::span<const CommandRow> command_rows();
/// Null if there is none of that name.
[[nodiscard]] const CommandRow* find_command(std::string_view name);

// ---- Each in a file of its own, or beside its like.

int up(const CommandRow& row, Arguments arguments);
int down(const CommandRow& row, Arguments arguments);
int genkey(const CommandRow& row, Arguments arguments);
int genpsk(const CommandRow& row, Arguments arguments);
int pubkey(const CommandRow& row, Arguments arguments);
int show_config(const CommandRow& row, Arguments arguments);
int strip(const CommandRow& row, Arguments arguments);
int showconf(const CommandRow& row, Arguments arguments);
int status(const CommandRow& row, Arguments arguments);

}  // namespace wg::commands
