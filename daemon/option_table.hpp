// Everything that can be said to the program when it is started, one row each: the parser,
// `--help`, the tables of README.md and the sections of the man page are made from these rows, and
// from nothing else. `make documents` writes the latter two; a test fails when they differ.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/options.hpp"

namespace wg::daemon {

/// Texts are Markdown: `code` is all that is marked.
struct OptionRow {
  std::string_view flags;     // "-f,--foreground"; empty: a variable only
  std::string_view variable;  // of the environment; empty: a flag only
  std::string_view argument;  // what follows a flag: "FILE"; empty: nothing does
  std::string_view values;    // "auto, always, never": no others, the first is the default
  std::string_view text;      // what it means; a phrase
  std::string_view more;      // for the man page: sentences, or nothing
  /// Takes a value that is one of `values` into the options, or says what is wrong with it. Null:
  /// the command line's parser does it.
  std::optional<std::string> (*take)(Options& options, const std::string& value);
};

/// Rows with a flag first; of two variables that set the same the one that stands first wins.
[[nodiscard]] std::span<const OptionRow> option_rows();

/// What is wrong with `value`; none if it was taken.
[[nodiscard]] std::optional<std::string> take_value(const OptionRow& row, Options& options,
                                                    const std::string& value);

/// The parts of a list with commas: flags, or values.
[[nodiscard]] std::vector<std::string_view> parts(std::string_view list);
/// The text with its values: "what encrypts: `auto` (default), `avx512`".
[[nodiscard]] std::string text_with_values(const OptionRow& row);
/// Without the marks of Markdown.
[[nodiscard]] std::string plain(std::string_view text);

}  // namespace wg::daemon
