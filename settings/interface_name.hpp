// What an interface may be called.
#pragma once

#include <optional>
#include <string>

namespace wg::settings {

/// Why `name` cannot be an interface's, if it cannot. One `%d` in it stands for a free number.
[[nodiscard]] std::optional<std::string> interface_name_error(const std::string& name);

}  // namespace wg::settings
