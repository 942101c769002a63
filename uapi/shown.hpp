// What of a client's line may stand in a log or an error: the word in front of its '=', if that is
// one such as UAPI has. Whatever else a client sends may be a key, or a part of one, by mistake.
#pragma once

#include <algorithm>
#include <string_view>

namespace wg::uapi {

/// In front of a drop reason's name, among the lines of `status`.
inline constexpr std::string_view kDropsWord = "drops_";
/// In front of a peer's key in hex, likewise.
inline constexpr std::string_view kUnansweredWord = "unanswered_";

inline constexpr std::size_t kWordMax = 32;

/// `word`, or something in its place. Neither a key in hex nor one in base64 passes for a word:
/// both are longer.
[[nodiscard]] constexpr std::string_view shown(std::string_view word) noexcept {
  const bool is_word =
      !word.empty() && word.size() <= kWordMax &&
      std::ranges::all_of(word, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  return is_word ? word : "(not shown)";
}

}  // namespace wg::uapi
