#include "uapi/settings_parser.hpp"

#include <fmt/format.h>

#include <cerrno>

#include "settings/fields.hpp"
#include "uapi/shown.hpp"

namespace wg::uapi {

void SettingsParser::line(std::string_view text) {
  lines_++;
  if (refusal_) return;
  if (lines_ > kLinesMax) {
    refusal_ = Refusal{ENOANO, fmt::format("more than {} lines in one set", kLinesMax)};
    return;
  }
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    refusal_ = Refusal{EPROTO, fmt::format("line {}: no '=' in it", lines_)};
    return;
  }
  refusal_ = take(text.substr(0, equals), text.substr(equals + 1));
}

std::expected<settings::Settings, Refusal> SettingsParser::finish() {
  if (refusal_) return std::unexpected(*refusal_);
  return std::move(settings_);
}

std::optional<Refusal> SettingsParser::take(std::string_view word, std::string_view value) {
  if (word == settings::peer_fields().front().uapi) settings_.peers.emplace_back();
  if (settings_.peers.empty()) {
    return take(settings::interface_field(word), settings_, "the interface", word, value);
  }
  if (word == "endpoint") {
    if (const auto wrong = endpoint_error_(value)) {
      return bad_value(word, fmt::format("{}; {}", settings::peer_field(word)->expected, *wrong));
    }
  }
  return take(settings::peer_field(word), settings_.peers.back(), "a peer", word, value);
}

template <class Field, class Setting>
std::optional<Refusal> SettingsParser::take(const Field* field, Setting& setting, const char* whose,
                                            std::string_view word, std::string_view value) const {
  if (field == nullptr || field->set == nullptr) {
    return Refusal{EINVAL,
                   fmt::format("line {}: '{}' is no key of {}", lines_, shown(word), whose)};
  }
  if (!field->set(setting, value)) return bad_value(word, field->expected);
  return std::nullopt;
}

Refusal SettingsParser::bad_value(std::string_view word, std::string_view expected) const {
  return {EINVAL, fmt::format("line {}: {}: expected {}", lines_, word, expected)};
}

}  // namespace wg::uapi
