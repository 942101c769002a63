// What a daemon answers over UAPI, for its clients: the lines of `get` as the states that they were
// written from.
//
// The other side is a daemon of another version, or another WireGuard: words that we do not know
// are passed over, as wg(8) does; a word that we know with a value that makes no sense is an error,
// which names the word and nothing else.
#pragma once

#include <string_view>
#include <vector>

#include "errors/failure.hpp"
#include "settings/settings.hpp"

namespace wg::uapi {

/// An answer's lines without the last, `errno`; a failure if that is not 0.
[[nodiscard]] Result<std::string_view> body_of(std::string_view answer);

struct DeviceState {
  settings::InterfaceState interface;
  std::vector<settings::PeerState> peers;  // in the answer's order

  friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

/// The lines of `status`, an operation of ours beside UAPI's; words that we do not know are passed
/// over.
[[nodiscard]] Result<settings::Vitals> parse_vitals(std::string_view body);
/// The lines of a `get`.
[[nodiscard]] Result<DeviceState> parse_state(std::string_view body);

}  // namespace wg::uapi
