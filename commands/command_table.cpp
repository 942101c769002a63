#include "commands/command_table.hpp"

namespace wg::commands {
namespace {

constexpr CommandRow kRows[] = {
    {"up", "FILE|NAME [OPTIONS]", "bring up what a configuration file describes", up},
    {"down", "INTERFACE", "undo what `up` has done", down},
    {"status", "[INTERFACE] [OPTIONS]", "how interfaces, their peers and the daemon are", status},
    {"genkey", "", "make a private key", genkey},
    {"genpsk", "", "make a preshared key", genpsk},
    {"pubkey", "", "read a private key from stdin, print its public key", pubkey},
    {"show-config", "", "print an example of a configuration file", show_config},
    {"showconf", "INTERFACE", "print a running interface as a configuration file", showconf},
    {"strip", "FILE|NAME", "print what of a configuration file is for `wg setconf`", strip},
};

}  // namespace

std::span<const CommandRow> command_rows() {
  return kRows;
}

const CommandRow* find_command(std::string_view name) {
  for (const CommandRow& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace wg::commands
