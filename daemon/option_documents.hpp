// The option table as README.md and the man page show it.
//
// Each of these sections stands in its file between two lines of comment, `begin NAME` and `end
// NAME`; what is between them is ours, and everything else the author's.
#pragma once

#include <string>

namespace wg::daemon {

/// README.md with its sections as the table has them.
[[nodiscard]] std::string readme_with_options(std::string text);
/// The man page with its sections as the table has them.
[[nodiscard]] std::string man_page_with_options(std::string text);

}  // namespace wg::daemon
