// A configuration file, as wg(8) and wg-quick(8) read it together, into settings and what the host
// is to do.
//
// Two readers look at each line there: wg-quick's takes its own keys out of [Interface], and what
// is left goes to wg. What either of them takes, in the versions of 2021 or 2026, is taken here,
// and means what it means to the newer; a byte order mark and blanks within `[ Interface ]`,
// besides.
// `#` begins a comment, but not in a hook: there the shell decides.
//
// What is refused says where: line, column, the word, what was expected and, where that can be
// told, what to write instead. The value of a secret is never repeated.
//
// Endpoints stay as they are written: a name is resolved by whoever brings the tunnel up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/secret_text.hpp"
#include "settings/settings.hpp"

namespace wg::config {

/// Larger is no configuration file: 1,000,000 peers take half of it.
inline constexpr std::size_t kFileBytesMax = 512 * 1024 * 1024;

/// An address of the interface, with the length of its network's prefix.
struct InterfaceAddress {
  std::array<std::byte, 16> address{};  // network byte order; IPv4: the first four
  bool v6 = false;
  std::uint8_t length = 0;
  std::size_t line = 0;  // of the file

  [[nodiscard]] std::string text() const;
};

struct Hook {
  std::string command;  // `%i` still in it
  std::size_t line = 0;
};

/// What wg-quick(8) does besides wg(8).
struct HostSettings {
  std::vector<InterfaceAddress> addresses;
  std::optional<unsigned> mtu;
  std::vector<std::string> dns_servers;
  std::vector<std::string> search_domains;
  std::string table = "auto";  // `auto`, `off`, a number, or a name of rt_tables
  std::vector<Hook> pre_up, post_up, pre_down, post_down;
  bool save_config = false;
  /// Where these stand; 0: nowhere.
  std::size_t mtu_line = 0;
  std::size_t dns_line = 0;
  std::size_t table_line = 0;
};

struct ConfFile {
  settings::Settings settings;  // replaces all peers
  HostSettings host;
  std::vector<std::size_t> peer_lines;  // where the section of each of the peers begins
  /// Lines for the user, each with its place.
  std::vector<std::string> warnings;
};

/// Why a file is refused.
struct Problem {
  std::size_t line = 0;    // from 1
  std::size_t column = 0;  // from 1
  std::string what;        // the word, what was expected, what to write instead

  /// In the form of a compiler: "wg0.conf:7:14: …".
  [[nodiscard]] std::string text(std::string_view file) const;
};

/// `name`: how the file is called in warnings.
[[nodiscard]] std::expected<ConfFile, Problem> parse(std::string_view text, std::string_view name);

/// A file that `parse` takes, without the lines that wg(8) does not: what `wg setconf` is given.
[[nodiscard]] crypto::SecretText without_host_settings(std::string_view text);

}  // namespace wg::config
