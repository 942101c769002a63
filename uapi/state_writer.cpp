#include "uapi/state_writer.hpp"

#include <string>

#include "settings/fields.hpp"
#include "settings/key_text.hpp"
#include "uapi/shown.hpp"

namespace wg::uapi {

void append(crypto::SecretText& text, const settings::InterfaceState& state) {
  for (const auto& field : settings::interface_fields()) {
    if (field.write != nullptr) field.write(text, field.uapi, state);
  }
}

void append(crypto::SecretText& text, const settings::PeerState& state) {
  for (const auto& field : settings::peer_fields()) {
    if (field.write != nullptr) field.write(text, field.uapi, state);
  }
}

void append(crypto::SecretText& text, const settings::Vitals& vitals) {
  const auto line = [&text](std::string_view word, std::string_view value) {
    text.append(word).append("=").append(value).push_back('\n');
  };
  line("version", vitals.version);
  line("aead", vitals.aead);
  line("inner_end", vitals.inner_end);
  line("outer_end", vitals.outer_end);
  line("threads", std::to_string(vitals.threads));
  for (const auto& [reason, packets] : vitals.drops) {
    line(std::string(kDropsWord) + reason, std::to_string(packets));
  }
  for (const auto& [peer, time] : vitals.unanswered) {
    line(std::string(kUnansweredWord) + settings::to_hex(peer), std::to_string(time.count()));
  }
}

}  // namespace wg::uapi
