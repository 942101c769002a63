// The grammar of UAPI's `get`: the interface, then its peers, as lines of `key=value`, in the order
// that wg(8) expects.
#pragma once

#include <string>

#include "settings/settings.hpp"

namespace wg::uapi {

/// Appends the lines. The text holds secrets: the caller wipes it.
void append(std::string& text, const settings::InterfaceState& state);
void append(std::string& text, const settings::PeerState& state);

}  // namespace wg::uapi
