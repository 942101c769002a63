// Names of endpoints become addresses.
#pragma once

#include <optional>
#include <string>

#include "errors/failure.hpp"

namespace wg::commands {

/// How often a name is tried again; none: without end, also when it is said not to exist, since at
/// boot there may be nobody yet who knows.
struct Retries {
  std::optional<unsigned> count = 15;

  /// By WG_ENDPOINT_RESOLUTION_RETRIES, as wg(8) reads it: a number, or `infinity`.
  [[nodiscard]] static Retries from_environment();
};

/// `host:port` of a file to an address and a port, as UAPI takes them.
[[nodiscard]] Result<std::string> resolve(const std::string& endpoint, const Retries& retries);

}  // namespace wg::commands
