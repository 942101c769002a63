#include "uapi/state_parser.hpp"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "settings/fields.hpp"
#include "settings/key_text.hpp"
#include "settings/word.hpp"
#include "uapi/shown.hpp"

namespace wg::uapi {
namespace {

/// Takes the first line off `text`, without its newline.
std::string_view next_line(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

template <class Field, class State>
Result<void> take(const Field* field, State& state, std::string_view value) {
  if (field == nullptr || field->parse == nullptr || field->parse(state, value)) return {};
  return std::unexpected(
      Failure(fmt::format("UAPI: {}: expected {}", field->uapi, field->expected)));
}

Result<void> take_line(DeviceState& state, std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return std::unexpected(Failure("UAPI: a line without '='"));
  }
  const std::string_view word = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  if (word == settings::peer_fields().front().uapi) state.peers.emplace_back();
  if (state.peers.empty()) return take(settings::interface_field(word), state.interface, value);
  return take(settings::peer_field(word), state.peers.back(), value);
}

}  // namespace

Result<std::string_view> body_of(std::string_view answer) {
  constexpr std::string_view kWord = "errno=";
  for (std::string_view rest = answer; !rest.empty();) {
    const std::size_t begin = answer.size() - rest.size();
    const std::string_view line = next_line(rest);
    if (!line.starts_with(kWord)) continue;
    const std::string_view number = line.substr(kWord.size());
    int error = 0;
    const auto [end, wrong] = std::from_chars(number.data(), number.data() + number.size(), error);
    if (wrong != std::errc{} || end != number.data() + number.size() || error == INT_MIN) {
      return std::unexpected(Failure("UAPI: an errno that is no number"));
    }
    if (error != 0) return std::unexpected(Failure::system(std::abs(error)).during("UAPI"));
    return answer.substr(0, begin);
  }
  return std::unexpected(Failure("UAPI: an answer without errno"));
}

Result<settings::Vitals> parse_vitals(std::string_view body) {
  settings::Vitals vitals;
  while (!body.empty()) {
    const std::string_view line = next_line(body);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return std::unexpected(Failure("UAPI: a line without '='"));
    }
    const std::string_view word = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (word == "version") vitals.version = value;
    if (word == "aead") vitals.aead = value;
    if (word == "inner_end") vitals.inner_end = value;
    if (word == "outer_end") vitals.outer_end = value;
    bool good = word != "threads" || settings::read_decimal(value, vitals.threads);
    if (word.starts_with(kDropsWord)) {
      auto& drops = vitals.drops.emplace_back();
      drops.reason = word.substr(kDropsWord.size());
      good = settings::read_decimal(value, drops.packets);
    }
    if (word.starts_with(kUnansweredWord)) {
      auto& unanswered = vitals.unanswered.emplace_back();
      std::int64_t seconds = 0;
      good = settings::from_hex(word.substr(kUnansweredWord.size()), unanswered.peer.bytes) &&
             settings::read_decimal(value, seconds);
      unanswered.time = std::chrono::seconds(seconds);
    }
    if (!good) return std::unexpected(Failure(fmt::format("UAPI: {}: expected a number", word)));
  }
  return vitals;
}

Result<DeviceState> parse_state(std::string_view body) {
  DeviceState state;
  while (!body.empty()) {
    if (auto taken = take_line(state, next_line(body)); !taken) {
      return std::unexpected(taken.error());
    }
  }
  return state;
}

}  // namespace wg::uapi
