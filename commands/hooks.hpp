// A file's hooks: commands around the tunnel's life, as wg-quick(8) runs them.
#pragma once

#include <string>

#include "config/conf_file.hpp"
#include "errors/failure.hpp"

namespace wg::commands {

/// By bash where there is one, else by sh; it ends at the first command that fails. `%i` becomes
/// the interface's name; INTERFACE and CONFIG_FILE are in the environment.
[[nodiscard]] Result<void> run_hook(const config::Hook& hook, const std::string& interface,
                                    const std::string& file);

/// Why the file's hooks must not be run: under sudo, somebody other than root could have written
/// them. Empty: they may.
[[nodiscard]] std::string why_no_hooks(const std::string& file);

}  // namespace wg::commands
