// What an interface and its peers have, one row each: what it is called over UAPI and in a
// configuration file, and how its text is read into, and written from, the member that keeps it.
// Reading a `set`, writing a `get`, reading a `get`, reading and writing a file all go through
// these rows; a new setting is a new row. Rows stand in the order in which wg(8) expects them in a
// `get`.
#pragma once

#include <span>
#include <string_view>

#include "crypto/secret_text.hpp"
#include "settings/settings.hpp"

namespace wg::settings {

/// A field in a configuration file, as wg(8) reads and writes it.
template <class Setting, class State>
struct ConfForm {
  std::string_view name;  // empty: it has none there
  std::string_view expected;
  /// A value without blanks; false if it is none.
  bool (*read)(Setting& setting, std::string_view value);
  /// Its line, if it has one.
  void (*write)(crypto::SecretText& text, std::string_view name, const State& state);
};

/// What cannot be done with a field is null: a `get` has no `remove`, a `set` no `rx_bytes`.
template <class Setting, class State>
struct Field {
  std::string_view uapi;      // the word in front of '='
  std::string_view expected;  // what a value of UAPI is, for an error
  /// A value of `set`; false if it is none. Then the setting is of no use any more.
  bool (*set)(Setting& setting, std::string_view value);
  /// A value of `get`, likewise.
  bool (*parse)(State& state, std::string_view value);
  /// Its lines of `get`: none, one or, for allowed IPs, many.
  void (*write)(crypto::SecretText& text, std::string_view uapi, const State& state);
  ConfForm<Setting, State> conf = {};
};

using InterfaceField = Field<Settings, InterfaceState>;
using PeerField = Field<PeerSettings, PeerState>;

[[nodiscard]] std::span<const InterfaceField> interface_fields() noexcept;
/// `public_key` is the first: with it a peer begins.
[[nodiscard]] std::span<const PeerField> peer_fields() noexcept;

/// The row of that name over UAPI; null if there is none.
[[nodiscard]] const InterfaceField* interface_field(std::string_view uapi) noexcept;
[[nodiscard]] const PeerField* peer_field(std::string_view uapi) noexcept;
/// The row of that name, in any case, in a configuration file; null if there is none.
[[nodiscard]] const InterfaceField* interface_field_in_conf(std::string_view name) noexcept;
[[nodiscard]] const PeerField* peer_field_in_conf(std::string_view name) noexcept;

}  // namespace wg::settings
