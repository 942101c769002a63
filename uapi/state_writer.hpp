// The grammar of UAPI's `get`: the interface, then its peers, as lines of `key=value`, in the order
// that wg(8) expects.
#pragma once

#include <string>

#include "device/settings.hpp"

namespace wg::uapi {

/// Appends the lines. The text holds secrets: the caller wipes it.
void append(std::string& text, const device::InterfaceState& state);
void append(std::string& text, const device::PeerState& state);

}  // namespace wg::uapi
