// How changes to the host are undone: as data, so that it can be written down. One row of a table
// for each kind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "errors/failure.hpp"
#include "netlink/host.hpp"

namespace wg::commands {

struct Undo {
  std::string kind;                // of the table
  std::vector<std::string> words;  // as the kind wants them
};

[[nodiscard]] Undo undo_link(const std::string& interface);
[[nodiscard]] Undo undo_rule(const netlink::Rule& rule);
[[nodiscard]] Undo undo_nft_table(const std::string& family, const std::string& table);
[[nodiscard]] Undo undo_resolvectl(const std::string& interface);
/// `name`: as it was given to resolvconf(8).
[[nodiscard]] Undo undo_resolvconf(const std::string& name);
/// Sets it back to `value`, unless another of our tunnels needs it as it is.
[[nodiscard]] Undo undo_sysctl(const std::string& path, const std::string& value);

/// As a shell command would say it.
[[nodiscard]] std::string text_of(const Undo& undo);
/// What is not there (any more) counts as undone. `interface`: whose change it was.
[[nodiscard]] Result<void> perform(const Undo& undo, const std::string& interface);

}  // namespace wg::commands
