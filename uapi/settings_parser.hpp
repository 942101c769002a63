// The grammar of UAPI's `set`: lines of `key=value`, into the device's settings.
//
// What there is to set stands in settings/fields.hpp. Device keys come first, then, from
// `public_key` on, those of one peer after the other. The whole set is parsed before any of it is
// applied, so a refused set changes nothing. The first error is kept; what follows it is only
// skipped, so that the answer comes when the client has finished talking. Errors name the line and
// the word in front of '=', and say what is expected: what was sent instead may be a secret.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "settings/configurable.hpp"

namespace wg::uapi {

/// What `errno=` answers: 0, or a negative errno as wireguard-go gives it.
struct Refusal {
  int error;         // EINVAL, EPROTO, … (positive)
  std::string text;  // for the log
};

/// What is wrong with an endpoint's text, without repeating it; none if nothing is.
using EndpointCheck = std::function<std::optional<std::string>(std::string_view text)>;

class SettingsParser {
 public:
  /// A longer line is no UAPI.
  static constexpr std::size_t kLineBytesMax = 4096;
  /// A set of more lines is refused: memory is bounded even if the client is not.
  static constexpr std::size_t kLinesMax = 20'000'000;

  explicit SettingsParser(EndpointCheck endpoint_error)
      : endpoint_error_(std::move(endpoint_error)) {}

  /// Takes the next line, without its newline; not the empty one that ends the set.
  void line(std::string_view text);

  /// After the last line: the settings, or why they are refused.
  [[nodiscard]] std::expected<settings::Settings, Refusal> finish();

 private:
  [[nodiscard]] std::optional<Refusal> take(std::string_view word, std::string_view value);
  template <class Field, class Setting>
  [[nodiscard]] std::optional<Refusal> take(const Field* field, Setting& setting, const char* whose,
                                            std::string_view word, std::string_view value) const;
  [[nodiscard]] Refusal bad_value(std::string_view word, std::string_view expected) const;

  EndpointCheck endpoint_error_;
  settings::Settings settings_;
  std::optional<Refusal> refusal_;
  std::size_t lines_ = 1;  // `set=1` was the first
};

}  // namespace wg::uapi
