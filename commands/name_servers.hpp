// Name servers of a tunnel: through systemd-resolved where it runs, else through resolvconf(8);
// where there is neither, that is said, and the tunnel comes up without.
#pragma once

#include <string>

#include "commands/plan.hpp"
#include "config/conf_file.hpp"

namespace wg::commands {

/// The file names servers.
[[nodiscard]] Step set_name_servers(const std::string& interface, const config::HostSettings& file);

}  // namespace wg::commands
