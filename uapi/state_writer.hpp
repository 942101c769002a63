// The grammar of UAPI's `get`: the interface, then its peers, as lines of `key=value`, in the order
// that wg(8) expects.
#pragma once

#include "crypto/secret_text.hpp"
#include "settings/settings.hpp"

namespace wg::uapi {

/// Appends the lines.
void append(crypto::SecretText& text, const settings::InterfaceState& state);
void append(crypto::SecretText& text, const settings::PeerState& state);
/// Those of `status`, an operation of ours beside UAPI's.
void append(crypto::SecretText& text, const settings::Vitals& vitals);

}  // namespace wg::uapi
