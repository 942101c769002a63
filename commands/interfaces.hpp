// The WireGuard interfaces that can be asked over UAPI: ours, and those of other daemons.
#pragma once

#include <string>
#include <vector>

#include "errors/failure.hpp"
#include "uapi/client.hpp"

namespace wg::commands {

/// In the order of their names: whose socket answers.
[[nodiscard]] std::vector<std::string> running_interfaces();
/// Whether its socket answers.
[[nodiscard]] bool is_running(const std::string& interface);
/// A connection to it; the failure says what runs instead.
[[nodiscard]] Result<uapi::Client> connect(const std::string& interface);

}  // namespace wg::commands
