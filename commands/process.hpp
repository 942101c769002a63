// Programs that a sub-command runs: the daemon, hooks, nft, and what sets name servers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "errors/failure.hpp"

namespace wg::commands {

/// Added to the environment, which is the caller's without what belongs to a service manager.
using Variables = std::vector<std::pair<std::string, std::string>>;

/// Runs `words`, the first of which is searched in PATH, with `input` as its stdin. Fails, with the
/// status in the text, unless it exits with 0.
[[nodiscard]] Result<void> run(const std::vector<std::string>& words, std::string_view input = {},
                               const Variables& variables = {});
/// Starts it and goes on; the process.
[[nodiscard]] Result<int> start(const std::vector<std::string>& words,
                                const Variables& variables = {});
/// Waits for it; the exit code, or 128 and the signal that ended it.
[[nodiscard]] int wait_for(int process);
/// Whether PATH holds it.
[[nodiscard]] bool is_program(const std::string& name);

}  // namespace wg::commands
