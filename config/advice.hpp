// What to write instead: for words that a configuration file does not know, and for values that are
// none. Each is a table of mistakes that people make.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wg::config {

/// For a section's name, in its brackets.
[[nodiscard]] std::string about_section(std::string_view name);
/// For a key that is none of that section (`[Interface]` or `[Peer]`).
[[nodiscard]] std::string about_key(std::string_view key, bool in_peer);
/// For a value of the key `name` (as the table of fields writes it) that is none; empty: nothing to
/// say. `written` has its blanks still.
[[nodiscard]] std::string about_value(std::string_view name, std::string_view written);

}  // namespace wg::config
