#include "uapi/state_writer.hpp"

#include "settings/fields.hpp"

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

}  // namespace wg::uapi
