#include "config/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "settings/word.hpp"

namespace wg::config {
namespace {

template <class Words>
bool among(const Words& words, std::string_view word) noexcept {
  return std::ranges::any_of(
      words, [&](std::string_view other) { return settings::same_word(word, other); });
}

constexpr std::array<std::string_view, 12> kInterfaceKeys{
    "PrivateKey", "ListenPort", "FwMark", "Address", "DNS",      "MTU",
    "Table",      "PreUp",      "PostUp", "PreDown", "PostDown", "SaveConfig"};
constexpr std::array<std::string_view, 5> kPeerKeys{"PublicKey", "PresharedKey", "AllowedIPs",
                                                    "Endpoint", "PersistentKeepalive"};
constexpr std::array<std::string_view, 19> kAmneziaKeys{
    "Jc", "Jmin", "Jmax", "S1", "S2", "S3", "S4", "H1", "H2",   "H3",
    "H4", "I1",   "I2",   "I3", "I4", "I5", "J1", "J2", "Itime"};
constexpr std::array<std::string_view, 12> kNetworkdWords{
    "[NetDev]", "[WireGuard]", "[WireGuardPeer]", "[Match]",     "[Network]",    "[Route]",
    "Kind",     "Name",        "RouteTable",      "RouteMetric", "FirewallMark", "MTUBytes"};

/// How many characters must change to make one of the other (Levenshtein), in any case.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); j++) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); i++) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); j++) {
      const bool equal = settings::same_word(a.substr(i - 1, 1), b.substr(j - 1, 1));
      const std::size_t changed = diagonal + (equal ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

template <class Words>
std::string_view nearest(const Words& words, std::string_view word) {
  constexpr std::size_t kWordMax = 40;
  if (word.size() > kWordMax) return {};
  const auto by = [&](std::string_view other) { return distance(word, other); };
  const auto best = std::ranges::min_element(words, {}, by);
  const std::size_t away = by(*best);
  return away <= 2 && away < best->size() / 2 ? *best : std::string_view{};
}

template <class Words>
std::string list(const Words& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

constexpr const char* kNetworkd =
    "this is a file for systemd-networkd: write it as [Interface] and [Peer], as wg-quick(8) has "
    "it";

/// The first character that is no plain ASCII, as `U+00A0`; empty: all are.
std::string foreign_character(std::string_view text) {
  const auto foreign =
      std::ranges::find_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (foreign == text.end()) return {};
  const auto byte = [&](std::ptrdiff_t i) -> std::uint32_t {
    return text.end() - foreign > i ? static_cast<unsigned char>(foreign[i]) & 0x3fU : 0;
  };
  const auto first = static_cast<unsigned char>(*foreign);
  if (first >= 0xf0) {
    return fmt::format("U+{:04X}", (first & 0x07U) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3));
  }
  if (first >= 0xe0) return fmt::format("U+{:04X}", (first & 0x0fU) << 12 | byte(1) << 6 | byte(2));
  if (first >= 0xc0) return fmt::format("U+{:04X}", (first & 0x1fU) << 6 | byte(1));
  return fmt::format("the byte {:#x}", first);
}

bool is_key(std::string_view name) noexcept {
  return name == "PrivateKey" || name == "PublicKey" || name == "PresharedKey";
}

bool is_hex(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string about_key_text(std::string_view text) {
  if (text.size() == 64 && is_hex(text)) return "this is hex; write the key in base64";
  if (text.size() == 43 && !text.contains('=')) return "the '=' at its end is missing";
  if (text.contains('<') || text.contains("KEY") || text.contains("key")) {
    return "put a key in the place of the words; 'wireguard-cpp genkey' makes one";
  }
  if (text.size() == 44) return "a character in it is not base64, or the last before '=' is wrong";
  return fmt::format("this has {} characters", text.size());
}

std::string about_endpoint(std::string_view text) {
  if (text.contains("://")) return "leave out what ends with '://'";
  if (text.contains(',')) return "a peer has one endpoint; the other one goes away";
  if (text.contains('/')) return "an endpoint has no '/'";
  if (text.starts_with('[') && !text.contains("]:")) return "the port is missing behind ']'";
  if (text.starts_with(':')) return "the host is missing in front of the ':'";
  if (!text.contains(':')) return fmt::format("the port is missing: {}:51820, perhaps", text);
  return "the port must be 0…65535";
}

std::string about_list(std::string_view written) {
  if (written.contains(";")) return "the items are separated by ','";
  if (written.contains(",,") || written.ends_with(',') || written.starts_with(',')) {
    return "one of the items is empty: remove the ','";
  }
  if (written.contains(' ') && !written.contains(',')) return "the items are separated by ','";
  if (written.contains(' ')) return "a ',' is missing between two of the items";
  if (written.contains("/255.")) return "the length is a number, like /24, and no netmask";
  if (written.contains('-')) return "write a range as prefixes, like 10.0.0.0/30";
  return "IPv4 has lengths of 0…32, IPv6 of 0…128, and names are no addresses";
}

}  // namespace

std::string about_section(std::string_view name) {
  if (among(kNetworkdWords, name)) return kNetworkd;
  constexpr std::array<std::string_view, 2> kSections{"[Interface]", "[Peer]"};
  const std::string_view near = nearest(kSections, name);
  if (!near.empty()) return fmt::format("did you mean {}?", near);
  return "there are [Interface] and [Peer]";
}

std::string about_key(std::string_view key, bool in_peer) {
  if (among(kAmneziaKeys, key)) {
    return "this key is AmneziaWG's, which is another protocol: ask for a file for WireGuard";
  }
  if (among(kInterfaceKeys, key)) return "it belongs into [Interface]";
  if (among(kPeerKeys, key)) return "it belongs into a [Peer]";
  if (settings::same_word(key, "PrivateKeyFile") || settings::same_word(key, "PresharedKeyFile")) {
    return "the key itself stands in the file; or a hook sets it: "
           "PostUp = wg set %i private-key FILE";
  }
  if (among(kNetworkdWords, key)) return kNetworkd;
  if (key.starts_with(';') || key.starts_with("//")) return "comments begin with '#'";
  const std::string_view near = in_peer ? nearest(kPeerKeys, key) : nearest(kInterfaceKeys, key);
  if (!near.empty()) return fmt::format("did you mean {}?", near);
  return "there are " + (in_peer ? list(kPeerKeys) : list(kInterfaceKeys));
}

std::string about_value(std::string_view name, std::string_view written) {
  if (written.empty()) return "leave the line out, if it is to have none";
  if (const std::string foreign = foreign_character(written); !foreign.empty()) {
    return fmt::format("it holds {}, which is no plain character: write the line anew", foreign);
  }
  const char first = written.front();
  if (first == '"' || first == '\'') return "without the quotes";
  if (is_key(name)) return about_key_text(written);
  if (name == "Endpoint") return about_endpoint(written);
  if (name == "AllowedIPs" || name == "Address") return about_list(written);
  if (name == "PersistentKeepalive" && std::isdigit(static_cast<unsigned char>(first)) != 0) {
    return "the number alone, without a unit";
  }
  if (name == "FwMark" && written.starts_with("0X")) return "with a small x: 0x…";
  if (name == "Table" || name == "SaveConfig") return "in small letters";
  return {};
}

}  // namespace wg::config
