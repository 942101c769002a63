#include "config/conf_file.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "config/advice.hpp"
#include "crypto/x25519.hpp"
#include "settings/fields.hpp"
#include "settings/key_text.hpp"
#include "settings/word.hpp"

namespace wg::config {
namespace {

using Wrong = std::optional<std::string>;  // what was expected; none: it was taken

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// ---- wg-quick's own keys

/// Items between commas and blanks; empty ones vanish.
std::vector<std::string_view> items(std::string_view list) {
  std::vector<std::string_view> found;
  while (!list.empty()) {
    const auto separates = [](char c) { return is_blank(c) || c == ','; };
    const auto begin = std::ranges::find_if_not(list, separates);
    const auto end = std::find_if(begin, list.end(), separates);
    if (begin != end) found.emplace_back(begin, end);
    list = {end, list.end()};
  }
  return found;
}

/// A netmask's length; none if it is not ones and then zeros.
std::optional<std::uint8_t> mask_length(std::string_view text) {
  in_addr mask{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &mask) != 1) return std::nullopt;
  const std::uint32_t bits = ntohl(mask.s_addr);
  if ((~bits & (~bits + 1)) != 0) return std::nullopt;
  return static_cast<std::uint8_t>(std::popcount(bits));
}

std::optional<InterfaceAddress> read_address(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  InterfaceAddress address{.v6 = host.contains(':')};
  if (host.contains('\0') ||
      inet_pton(address.v6 ? AF_INET6 : AF_INET, host.c_str(), address.address.data()) != 1) {
    return std::nullopt;
  }
  const unsigned most = address.v6 ? 128 : 32;
  unsigned length = most;
  if (slash != std::string_view::npos) {
    const std::string_view written = text.substr(slash + 1);
    if (const auto of_mask = mask_length(written); of_mask && !address.v6) {
      length = *of_mask;
    } else if (!settings::read_decimal(written, length) || length > most) {
      return std::nullopt;
    }
  }
  address.length = static_cast<std::uint8_t>(length);
  return address;
}

Wrong take_addresses(HostSettings& host, std::string_view value, std::size_t line) {
  for (const std::string_view item : items(value)) {
    auto address = read_address(item);
    if (!address) {
      return "an address with its length, like 10.0.0.1/24 or fd00::1/64, for '" +
             std::string(item) + "'";
    }
    address->line = line;
    host.addresses.push_back(*address);
  }
  return std::nullopt;
}

Wrong take_dns(HostSettings& host, std::string_view value, std::size_t line) {
  host.dns_line = line;
  for (const std::string_view item : items(value)) {
    const bool server =
        item.contains(':') || item.find_first_not_of("0123456789.") == std::string_view::npos;
    std::array<std::byte, 16> room;
    const int family = item.contains(':') ? AF_INET6 : AF_INET;
    if (server && inet_pton(family, std::string(item).c_str(), room.data()) != 1) {
      return "addresses of servers, and domains to search, for '" + std::string(item) + "'";
    }
    (server ? host.dns_servers : host.search_domains).emplace_back(item);
  }
  return std::nullopt;
}

Wrong take_mtu(HostSettings& host, std::string_view value, std::size_t line) {
  constexpr unsigned kLeast = 68;  // the kernel's, for IPv4
  constexpr unsigned kMost = 65535;
  unsigned mtu = 0;
  if (!settings::read_decimal(value, mtu) || mtu < kLeast || mtu > kMost) {
    return fmt::format("a number, {}…{}", kLeast, kMost);
  }
  host.mtu = mtu;
  host.mtu_line = line;
  return std::nullopt;
}

Wrong take_table(HostSettings& host, std::string_view value, std::size_t line) {
  if (value.empty() || (settings::same_word(value, "off") && value != "off") ||
      (settings::same_word(value, "auto") && value != "auto")) {
    return "auto, off, a number, or a name of rt_tables";
  }
  host.table = value;
  host.table_line = line;
  return std::nullopt;
}

Wrong take_save_config(HostSettings& host, std::string_view value, std::size_t) {
  if (!settings::same_word(value, "true") && !settings::same_word(value, "false"))
    return "true or false";
  host.save_config = settings::same_word(value, "true");
  return std::nullopt;
}

template <auto Hooks>
Wrong take_hook(HostSettings& host, std::string_view value, std::size_t line) {
  if (value.empty()) return "a command";
  (host.*Hooks).push_back({.command = std::string(value), .line = line});
  return std::nullopt;
}

struct HostKey {
  std::string_view name;
  bool hook;  // `#` in it is the shell's
  Wrong (*take)(HostSettings& host, std::string_view value, std::size_t line);
};
constexpr HostKey kHostKeys[] = {
    {"Address", false, take_addresses},
    {"MTU", false, take_mtu},
    {"DNS", false, take_dns},
    {"Table", false, take_table},
    {"SaveConfig", false, take_save_config},
    {"PreUp", true, take_hook<&HostSettings::pre_up>},
    {"PostUp", true, take_hook<&HostSettings::post_up>},
    {"PreDown", true, take_hook<&HostSettings::pre_down>},
    {"PostDown", true, take_hook<&HostSettings::post_down>},
};

// ---- Lines

class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) { file_.settings.replace_peers = true; }

  std::expected<ConfFile, Problem> read(std::string_view text);

 private:
  enum class Section : std::uint8_t { None, Interface, Peer };

  [[nodiscard]] std::optional<Problem> take_line(std::string_view line);
  [[nodiscard]] std::optional<Problem> take_section(std::string_view name, std::size_t column);
  [[nodiscard]] std::optional<Problem> take_host(const HostKey& key, std::string_view value,
                                                 std::size_t column);
  template <class Field, class Setting>
  [[nodiscard]] std::optional<Problem> take_field(const Field& field, Setting& setting,
                                                  std::string_view written, std::size_t column);
  [[nodiscard]] std::optional<Problem> end_section();
  [[nodiscard]] std::optional<Problem> end();
  [[nodiscard]] Problem problem(std::size_t column, std::string what) const {
    return {.line = line_, .column = column, .what = std::move(what)};
  }
  void warn(std::size_t line, const std::string& what) {
    file_.warnings.push_back(fmt::format("{}:{}: {}", name_, line, what));
  }

  std::string_view name_;
  ConfFile file_;
  Section section_ = Section::None;
  bool has_public_key_ = false;
  std::size_t line_ = 0;
};

std::expected<ConfFile, Problem> Reader::read(std::string_view text) {
  while (!text.empty()) {
    const std::size_t newline = std::min(text.find('\n'), text.size());
    line_++;
    if (auto wrong = take_line(text.substr(0, newline))) return std::unexpected(*wrong);
    text.remove_prefix(std::min(newline + 1, text.size()));
  }
  if (auto wrong = end()) return std::unexpected(*wrong);
  return std::move(file_);
}

/// A value as it may be shown: not at all if it is a secret.
std::string shown(std::string_view name, std::string_view value) {
  constexpr std::size_t kShownMax = 60;
  if (name == "PrivateKey" || name == "PresharedKey") return {};
  if (value.size() > kShownMax) return fmt::format(" '{}…'", value.substr(0, kShownMax));
  return fmt::format(" '{}'", value);
}

std::string refused(std::string_view name, std::string_view value, std::string_view expected) {
  const std::string advice = about_value(name, value);
  return fmt::format("{}{}: expected {}{}{}", name, shown(name, value), expected,
                     advice.empty() ? "" : "; ", advice);
}

std::optional<Problem> Reader::take_line(std::string_view line) {
  const auto column_of = [&](std::string_view part) {
    return static_cast<std::size_t>(part.data() - line.data()) + 1;
  };
  const std::string_view code = line.substr(0, line.find('#'));
  const std::string_view content = trimmed(code);
  if (content.empty()) return std::nullopt;
  if (content.front() == '[') return take_section(content, column_of(content));
  const std::size_t equals = code.find('=');
  if (equals == std::string_view::npos) {
    return problem(column_of(content),
                   fmt::format("'{}': there is no '=' in this line; {}", content.substr(0, 40),
                               about_key(content, section_ == Section::Peer)));
  }
  const std::string_view key = trimmed(code.substr(0, equals));
  const std::string_view value = trimmed(code.substr(equals + 1));
  if (section_ == Section::None) {
    return problem(column_of(key),
                   fmt::format("'{}' stands before any section; write [Interface] above it", key));
  }
  // wg(8) takes blanks out wherever they are, also within a word.
  std::string name(key);
  std::erase_if(name, is_blank);
  if (section_ == Section::Interface) {
    for (const HostKey& host : kHostKeys) {
      if (!settings::same_word(host.name, key)) continue;
      return take_host(host, host.hook ? trimmed(line.substr(equals + 1)) : value,
                       column_of(value));
    }
    const auto* const field = settings::interface_field_in_conf(name);
    if (field != nullptr) return take_field(*field, file_.settings, value, column_of(value));
  } else if (const auto* const field = settings::peer_field_in_conf(name)) {
    has_public_key_ |= field->conf.name == "PublicKey";
    return take_field(*field, file_.settings.peers.back(), value, column_of(value));
  }
  return problem(column_of(key), fmt::format("'{}' is no key of {}; {}", key,
                                             section_ == Section::Peer ? "[Peer]" : "[Interface]",
                                             about_key(name, section_ == Section::Peer)));
}

std::optional<Problem> Reader::take_section(std::string_view written, std::size_t column) {
  if (auto wrong = end_section()) return wrong;
  std::string name(written);
  std::erase_if(name, is_blank);
  if (settings::same_word(name, "[Interface]")) {
    section_ = Section::Interface;
  } else if (settings::same_word(name, "[Peer]")) {
    section_ = Section::Peer;
    has_public_key_ = false;
    file_.settings.peers.emplace_back().replace_allowed_ips = true;
    file_.peer_lines.push_back(line_);
  } else {
    return problem(column, fmt::format("'{}' is no section; {}", written, about_section(name)));
  }
  return std::nullopt;
}

std::optional<Problem> Reader::take_host(const HostKey& key, std::string_view value,
                                         std::size_t column) {
  const Wrong expected = key.take(file_.host, value, line_);
  if (!expected) return std::nullopt;
  return problem(column, refused(key.name, value, *expected));
}

template <class Field, class Setting>
std::optional<Problem> Reader::take_field(const Field& field, Setting& setting,
                                          std::string_view written, std::size_t column) {
  crypto::SecretText value;
  value.reserve(written.size());
  for (const char c : written) {
    if (!is_blank(c)) value.push_back(c);
  }
  if (!value.empty() && field.conf.read(setting, value.view())) return std::nullopt;
  return problem(column, refused(field.conf.name, written, field.conf.expected));
}

std::optional<Problem> Reader::end_section() {
  if (section_ != Section::Peer || has_public_key_) return std::nullopt;
  return Problem{.line = file_.peer_lines.back(),
                 .column = 1,
                 .what = "[Peer] without a PublicKey; add the line, or remove the section"};
}

/// What concerns more than one line.
std::optional<Problem> Reader::end() {
  if (auto wrong = end_section()) return wrong;
  std::unordered_map<std::string, std::size_t> lines;
  for (std::size_t i = 0; i < file_.settings.peers.size(); i++) {
    const std::string key = settings::to_base64(file_.settings.peers[i].public_key);
    const auto [known, added] = lines.emplace(key, file_.peer_lines[i]);
    if (added) continue;
    warn(file_.peer_lines[i],
         fmt::format("this peer is the one of line {}: what is said here replaces what was said "
                     "there, allowed IPs included",
                     known->second));
  }
  if (file_.settings.private_key) {
    crypto::PrivateKey clamped = *file_.settings.private_key;
    crypto::clamp(clamped);
    const auto own = lines.find(settings::to_base64(crypto::public_key_of(clamped)));
    if (own != lines.end()) {
      warn(own->second, "this peer has the interface's own key, and is left out");
    }
  }
  return std::nullopt;
}

}  // namespace

std::string InterfaceAddress::text() const {
  char name[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, address.data(), name, sizeof name);
  return fmt::format("{}/{}", name, length);
}

std::string Problem::text(std::string_view file) const {
  return fmt::format("{}:{}:{}: {}", file, line, column, what);
}

crypto::SecretText without_host_settings(std::string_view text) {
  crypto::SecretText left;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view code = line.substr(0, line.find('#'));
    const std::string_view key = trimmed(code.substr(0, code.find('=')));
    const bool hosts = std::ranges::any_of(
        kHostKeys, [&](const HostKey& host) { return settings::same_word(host.name, key); });
    if (!hosts) left.append(line).push_back('\n');
  }
  return left;
}

std::expected<ConfFile, Problem> parse(std::string_view text, std::string_view name) {
  using namespace std::string_view_literals;
  if (text.size() > kFileBytesMax) {
    return std::unexpected(Problem{
        .line = 1, .column = 1, .what = "the file is too large to be one of a configuration"});
  }
  const bool utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
                     (text.size() >= 4 && (text[1] == '\0' || text[0] == '\0'));
  if (utf16) {
    return std::unexpected(Problem{
        .line = 1, .column = 1, .what = "the file is UTF-16; save it as UTF-8 or plain text"});
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!text.contains('\0')) return Reader(name).read(text);
  crypto::SecretText without;  // as bash leaves zero bytes out
  for (const char c : text) {
    if (c != '\0') without.push_back(c);
  }
  return Reader(name).read(without.view());
}

}  // namespace wg::config
