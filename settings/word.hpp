// Words and numbers in the text of a setting, for whoever reads one.
#pragma once

#include <strings.h>

#include <charconv>
#include <string_view>
#include <system_error>

namespace wg::settings {

/// True, and `value` filled, if `text` is a decimal number of that type and nothing else.
template <class Number>
[[nodiscard]] bool read_decimal(std::string_view text, Number& value) noexcept {
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc{} && end == last;
}

/// In any case.
[[nodiscard]] inline bool same_word(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace wg::settings
