#include "daemon/option_documents.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "commands/command_table.hpp"
#include "daemon/option_table.hpp"

namespace wg::daemon {
namespace {

/// Puts `section` between the comments that name it. Throws if they are not there.
void replace_section(std::string& text, const std::string& name, const std::string& section) {
  const std::size_t begin_mark = text.find("begin " + name + ",");
  const std::size_t end_mark = text.find("end " + name, begin_mark);
  if (begin_mark == std::string::npos || end_mark == std::string::npos) {
    throw std::runtime_error("no lines 'begin " + name + ",' and 'end " + name + "'");
  }
  const std::size_t begin = text.find('\n', begin_mark) + 1;
  const std::size_t end = text.rfind('\n', end_mark) + 1;
  text.replace(begin, end - begin, section);
}

std::string same_as_flag(const OptionRow& row) {
  return fmt::format("`1`: the same as `{}`", parts(row.flags).back());
}

/// A flag with its argument, as it is typed: `-n`, `--network NETWORK`.
std::string flags_text(const OptionRow& row) {
  std::string text;
  for (const std::string_view flag : parts(row.flags)) {
    if (!text.empty()) text += "`, `";
    text += flag;
  }
  if (!row.argument.empty()) text += fmt::format(" {}", row.argument);
  return "`" + text + "`";
}

// ---- README.md

/// Within a table's cell.
std::string with_bars_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string readme_options() {
  std::string table = "\n| option | meaning |\n|---|---|\n";
  for (const OptionRow& row : option_rows()) {
    if (row.flags.empty()) continue;
    table += fmt::format("| {} | {} |\n", flags_text(row), text_with_values(row));
  }
  return table + "\n";
}

std::string readme_commands() {
  std::string table = "\n| command | what it does |\n|---|---|\n";
  for (const commands::CommandRow& row : commands::command_rows()) {
    table += fmt::format("| `{}{}{}` | {} |\n", row.name, row.arguments.empty() ? "" : " ",
                         with_bars_escaped(row.arguments), row.text);
  }
  return table + "\n";
}

std::string readme_environment() {
  std::string table = "\n| variable | meaning |\n|---|---|\n";
  for (const OptionRow& row : option_rows()) {
    if (row.variable.empty()) continue;
    table += fmt::format("| `{}` | {} |\n", row.variable,
                         row.flags.empty() ? text_with_values(row) : same_as_flag(row));
  }
  return table + "\n";
}

// ---- The man page

/// `code` becomes bold, and hyphens such as one can type.
std::string roff(std::string_view text) {
  std::string out;
  bool code = false;
  for (const char c : text) {
    if (c == '`') {
      out += code ? "\\fR" : "\\fB";
      code = !code;
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

/// A phrase as a sentence.
std::string sentence(std::string text) {
  if (text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text + ".";
}

std::string man_entry(const std::string& term, const std::string& text, std::string_view more) {
  std::string entry = ".TP\n" + roff(term) + "\n" + roff(sentence(text)) + "\n";
  if (!more.empty()) entry += roff(more) + "\n";
  return entry;
}

std::string man_synopsis() {
  std::string text;
  for (const OptionRow& row : option_rows()) {
    if (row.flags.empty() || row.take == nullptr) continue;
    const std::string flag = roff(fmt::format("`{}`", parts(row.flags).front()));
    const std::string argument =
        row.argument.empty() ? "" : fmt::format(" \\fI{}\\fR", row.argument);
    text += fmt::format("[{}{}]\n", flag, argument);
  }
  return text;
}

std::string man_options() {
  std::string text;
  for (const OptionRow& row : option_rows()) {
    if (!row.flags.empty()) text += man_entry(flags_text(row), text_with_values(row), row.more);
  }
  return text;
}

std::string man_commands() {
  std::string text;
  for (const commands::CommandRow& row : commands::command_rows()) {
    text += man_entry(fmt::format("`{}` {}", row.name, row.arguments), std::string(row.text), "");
  }
  return text;
}

std::string man_environment() {
  std::string text;
  for (const OptionRow& row : option_rows()) {
    if (row.variable.empty()) continue;
    const std::string name = fmt::format("`{}`", row.variable);
    text += row.flags.empty() ? man_entry(name, text_with_values(row), row.more)
                              : man_entry(name, same_as_flag(row), "");
  }
  return text;
}

}  // namespace

std::string readme_with_options(std::string text) {
  replace_section(text, "commands", readme_commands());
  replace_section(text, "options", readme_options());
  replace_section(text, "environment", readme_environment());
  return text;
}

std::string man_page_with_options(std::string text) {
  replace_section(text, "synopsis", man_synopsis());
  replace_section(text, "commands", man_commands());
  replace_section(text, "options", man_options());
  replace_section(text, "environment", man_environment());
  return text;
}

}  // namespace wg::daemon
