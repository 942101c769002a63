#include "settings/fields.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "settings/key_text.hpp"
#include "settings/word.hpp"

namespace wg::settings {
namespace {

using crypto::SecretText;

// ---- Forms: how the text of a value is read and written

struct Hex {
  static bool read(std::string_view text, crypto::PublicKey& key) noexcept {
    return from_hex(text, key.bytes);
  }
  template <class Tag>
  static bool read(std::string_view text, crypto::Secret<Tag>& key) noexcept {
    return from_hex(text, key.bytes());
  }
  static void write(SecretText& text, const crypto::PublicKey& key) { append_hex(text, key.bytes); }
  template <class Tag>
  static void write(SecretText& text, const crypto::Secret<Tag>& key) {
    append_hex(text, key.bytes());
  }
};

struct Decimal {
  template <class Integer>
  static bool read(std::string_view text, Integer& value) noexcept {
    return read_decimal(text, value);
  }
  template <class Integer>
  static void write(SecretText& text, Integer value) {
    fmt::format_to(std::back_inserter(text), "{}", value);
  }
};

/// Nothing means 0.
struct DecimalOrNothing : Decimal {
  template <class Integer>
  static bool read(std::string_view text, Integer& value) noexcept {
    value = 0;
    return text.empty() || Decimal::read(text, value);
  }
};

struct True {
  static bool read(std::string_view text, bool& value) noexcept { return value = text == "true"; }
};

/// As it stands; what it means only the outer end knows.
struct Verbatim {
  static bool read(std::string_view text, std::string& value) {
    value = text;
    return true;
  }
  static void write(SecretText& text, const std::string& value) { text.append(value); }
};

// ---- Ways between a form and a member

template <class Value>
Value& place(Value& member) {
  return member;
}
template <class Value>
Value& place(std::optional<Value>& member) {
  return member.emplace();
}

template <auto Member, class Form, class Target>
bool take(Target& target, std::string_view value) {
  return Form::read(value, place(target.*Member));
}

/// How a line is written: `key=value` over UAPI, `Key = value` in a file.
enum class As : std::uint8_t { Uapi, Conf };

template <class Form, As as = As::Uapi, class Value>
void line(SecretText& text, std::string_view word, const Value& value) {
  text.append(word).append(as == As::Uapi ? "=" : " = ");
  Form::write(text, value);
  text.push_back('\n');
}

template <auto Member, class Form, As as = As::Uapi, class State>
void give(SecretText& text, std::string_view word, const State& state) {
  line<Form, as>(text, word, state.*Member);
}

template <auto Member, class Form, As as = As::Uapi, class State>
void give_if_there(SecretText& text, std::string_view word, const State& state) {
  if (state.*Member) line<Form, as>(text, word, *(state.*Member));
}

template <auto Member, class Form, As as = As::Uapi, class State>
void give_unless_zero(SecretText& text, std::string_view word, const State& state) {
  if (state.*Member != 0) line<Form, as>(text, word, state.*Member);
}

// ---- Fields that are more than a value

template <class Target>
bool is_version(Target&, std::string_view value) {
  return value == "1";
}

void give_version(SecretText& text, std::string_view uapi, const PeerState&) {
  line<Decimal>(text, uapi, 1);
}

std::chrono::seconds seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::floor<std::chrono::seconds>(time);
}

bool take_seconds(PeerState& state, std::string_view value) {
  constexpr auto kMost = std::chrono::nanoseconds::max() / std::chrono::seconds(1) - 1;
  std::int64_t seconds = 0;
  if (!Decimal::read(value, seconds) || seconds < 0 || seconds > kMost) return false;
  state.last_handshake += std::chrono::seconds(seconds) - seconds_of(state.last_handshake);
  return true;
}

bool take_nanoseconds(PeerState& state, std::string_view value) {
  std::uint32_t nanoseconds = 0;
  if (!Decimal::read(value, nanoseconds) || nanoseconds >= 1'000'000'000) return false;
  state.last_handshake = seconds_of(state.last_handshake) + std::chrono::nanoseconds(nanoseconds);
  return true;
}

void give_seconds(SecretText& text, std::string_view uapi, const PeerState& state) {
  line<Decimal>(text, uapi, seconds_of(state.last_handshake).count());
}

void give_nanoseconds(SecretText& text, std::string_view uapi, const PeerState& state) {
  line<Decimal>(text, uapi, (state.last_handshake - seconds_of(state.last_handshake)).count());
}

/// Those that stand before it are replaced as well.
bool replace_allowed_ips(PeerSettings& peer, std::string_view value) {
  if (!True::read(value, peer.replace_allowed_ips)) return false;
  peer.allowed_ips.clear();
  return true;
}

bool change_allowed_ip(PeerSettings& peer, std::string_view value) {
  const bool withdraw = value.starts_with('-');
  const auto prefix = Prefix::parse_with_length(withdraw ? value.substr(1) : value);
  if (prefix) peer.allowed_ips.push_back({.prefix = *prefix, .withdraw = withdraw});
  return prefix.has_value();
}

bool take_allowed_ip(PeerState& state, std::string_view value) {
  const auto prefix = Prefix::parse_with_length(value);
  if (prefix) state.allowed_ips.push_back(*prefix);
  return prefix.has_value();
}

void give_allowed_ips(SecretText& text, std::string_view uapi, const PeerState& state) {
  for (const Prefix& prefix : state.allowed_ips) line<Verbatim>(text, uapi, prefix.text());
}

// ---- Configuration files

constexpr std::string_view kPortWords = "a port, 0…65535, or a service's name";

/// `off` in any case means 0.
bool is_off(std::string_view text) noexcept {
  return same_word(text, "off");
}

struct Base64 {
  template <class Tag>
  static bool read(std::string_view text, crypto::Secret<Tag>& key) noexcept {
    return from_base64(text, key.bytes());
  }
  static bool read(std::string_view text, crypto::PublicKey& key) noexcept {
    return from_base64(text, key.bytes);
  }
  template <class Tag>
  static void write(SecretText& text, const crypto::Secret<Tag>& key) {
    append_base64(text, key.bytes());
  }
  static void write(SecretText& text, const crypto::PublicKey& key) {
    append_base64(text, key.bytes);
  }
};

struct PortOrService : Decimal {
  static bool read(std::string_view text, std::uint16_t& port) {
    if (Decimal::read(text, port)) return true;
    const servent* const service = ::getservbyname(std::string(text).c_str(), "udp");
    if (service == nullptr || text.contains('\0')) return false;
    port = ntohs(static_cast<std::uint16_t>(service->s_port));
    return true;
  }
};

/// Decimal, hex behind a small `0x`, or `off`.
struct Mark {
  static bool read(std::string_view text, std::uint32_t& mark) noexcept {
    mark = 0;
    if (is_off(text)) return true;
    if (!text.starts_with("0x")) return Decimal::read(text, mark);
    const std::string_view digits = text.substr(2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), mark, 16);
    return error == std::errc{} && end == digits.data() + digits.size();
  }
  static void write(SecretText& text, std::uint32_t mark) {
    fmt::format_to(std::back_inserter(text), "{:#x}", mark);
  }
};

struct SecondsOrOff : Decimal {
  static bool read(std::string_view text, std::uint16_t& seconds) noexcept {
    seconds = 0;
    return is_off(text) || Decimal::read(text, seconds);
  }
};

/// `name:port`, `192.0.2.1:port`, `[2001:db8::1]:port`; without brackets an IPv6 address ends at
/// the last colon. The port becomes a number; the host stays as it is.
bool read_endpoint(PeerSettings& peer, std::string_view value) {
  const std::size_t colon = value.rfind(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || value.contains('\0') ||
      !PortOrService::read(value.substr(colon + 1), port)) {
    return false;
  }
  std::string_view host = value.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto foreign = [](unsigned char c) { return c <= ' ' || c >= 0x7f; };
  if (host.empty() || host.find_first_of("[]/@,\"'") != std::string_view::npos ||
      std::ranges::any_of(host, foreign)) {
    return false;
  }
  const bool v6 = host.contains(':');
  if (v6) {
    in6_addr address;
    const std::string without_zone(host.substr(0, host.find('%')));
    if (inet_pton(AF_INET6, without_zone.c_str(), &address) != 1) return false;
  }
  peer.endpoint = fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), host, port);
  return true;
}

/// A list with commas; `+` and `-` in front of a prefix change what the peer has, instead of
/// replacing it.
bool read_allowed_ips(PeerSettings& peer, std::string_view value) {
  for (;;) {
    const std::size_t comma = std::min(value.find(','), value.size());
    std::string_view item = value.substr(0, comma);
    const bool withdraw = item.starts_with('-');
    const bool adds = item.starts_with('+');
    if (withdraw || adds) peer.replace_allowed_ips = false;
    const auto prefix = Prefix::parse(item.substr(withdraw || adds ? 1 : 0));
    if (!prefix) return false;
    peer.allowed_ips.push_back({.prefix = *prefix, .withdraw = withdraw});
    if (comma == value.size()) return true;
    value.remove_prefix(comma + 1);
  }
}

void conf_give_preshared(SecretText& text, std::string_view name, const PeerState& state) {
  if (!state.preshared_key.is_zero()) line<Base64, As::Conf>(text, name, state.preshared_key);
}

void conf_give_allowed_ips(SecretText& text, std::string_view name, const PeerState& state) {
  const std::string list = list_text(state.allowed_ips);
  if (!list.empty()) line<Verbatim, As::Conf>(text, name, list);
}

// ---- The rows

constexpr std::string_view kKey = "64 hex digits";
constexpr std::string_view kConfKey = "a key: 44 characters of base64, the last of them '='";
/// What is wrong with an endpoint in particular is not said, since that repeats what was sent.
constexpr std::string_view kEndpoint =
    "an address and a port that this network reaches, like 192.0.2.1:51820 or "
    "[2001:db8::1]:51820; names must be resolved before";
constexpr std::string_view kPrefix = "a prefix with its length, like 10.0.0.0/8 or fd00::/8";

using Device = Settings;
using Interface = InterfaceState;

constexpr InterfaceField kInterfaceFields[] = {
    {"private_key",
     kKey,
     take<&Device::private_key, Hex>,
     take<&Interface::private_key, Hex>,
     give_if_there<&Interface::private_key, Hex>,
     {"PrivateKey", kConfKey, take<&Device::private_key, Base64>,
      give_if_there<&Interface::private_key, Base64, As::Conf>}},
    {"listen_port",
     "0…65535",
     take<&Device::listen_port, Decimal>,
     take<&Interface::listen_port, Decimal>,
     give_unless_zero<&Interface::listen_port, Decimal>,
     {"ListenPort", kPortWords, take<&Device::listen_port, PortOrService>,
      give_unless_zero<&Interface::listen_port, PortOrService, As::Conf>}},
    {"fwmark",
     "0…4294967295",
     take<&Device::fwmark, DecimalOrNothing>,
     take<&Interface::fwmark, Decimal>,
     give_unless_zero<&Interface::fwmark, Decimal>,
     {"FwMark", "0…4294967295, in decimal or as 0x…, or off", take<&Device::fwmark, Mark>,
      give_unless_zero<&Interface::fwmark, Mark, As::Conf>}},
    {"replace_peers", "true", take<&Device::replace_peers, True>, nullptr, nullptr},
};

using Peer = PeerSettings;

constexpr PeerField kPeerFields[] = {
    {"public_key",
     kKey,
     take<&Peer::public_key, Hex>,
     take<&PeerState::public_key, Hex>,
     give<&PeerState::public_key, Hex>,
     {"PublicKey", kConfKey, take<&Peer::public_key, Base64>,
      give<&PeerState::public_key, Base64, As::Conf>}},
    {"remove", "true", take<&Peer::remove, True>, nullptr, nullptr},
    {"update_only", "true", take<&Peer::update_only, True>, nullptr, nullptr},
    {"preshared_key",
     kKey,
     take<&Peer::preshared_key, Hex>,
     take<&PeerState::preshared_key, Hex>,
     give<&PeerState::preshared_key, Hex>,
     {"PresharedKey", kConfKey, take<&Peer::preshared_key, Base64>, conf_give_preshared}},
    {"protocol_version", "1", is_version<Peer>, is_version<PeerState>, give_version},
    {"endpoint",
     kEndpoint,
     take<&Peer::endpoint, Verbatim>,
     take<&PeerState::endpoint, Verbatim>,
     give_if_there<&PeerState::endpoint, Verbatim>,
     {"Endpoint", "a host and a port, like vpn.example.org:51820 or [2001:db8::1]:51820",
      read_endpoint, give_if_there<&PeerState::endpoint, Verbatim, As::Conf>}},
    {"last_handshake_time_sec", "seconds", nullptr, take_seconds, give_seconds},
    {"last_handshake_time_nsec", "0…999999999", nullptr, take_nanoseconds, give_nanoseconds},
    {"tx_bytes", "a number", nullptr, take<&PeerState::tx_bytes, Decimal>,
     give<&PeerState::tx_bytes, Decimal>},
    {"rx_bytes", "a number", nullptr, take<&PeerState::rx_bytes, Decimal>,
     give<&PeerState::rx_bytes, Decimal>},
    {"persistent_keepalive_interval",
     "0…65535 seconds",
     take<&Peer::persistent_keepalive, Decimal>,
     take<&PeerState::persistent_keepalive, Decimal>,
     give<&PeerState::persistent_keepalive, Decimal>,
     {"PersistentKeepalive", "seconds, 0…65535 without a unit, or off",
      take<&Peer::persistent_keepalive, SecondsOrOff>,
      give_unless_zero<&PeerState::persistent_keepalive, SecondsOrOff, As::Conf>}},
    {"replace_allowed_ips", "true", replace_allowed_ips, nullptr, nullptr},
    {"allowed_ip",
     kPrefix,
     change_allowed_ip,
     take_allowed_ip,
     give_allowed_ips,
     {"AllowedIPs", "addresses with their lengths, like 10.0.0.0/8, fd00::/8", read_allowed_ips,
      conf_give_allowed_ips}},
};

template <class Rows>
auto* find_in_conf(const Rows& rows, std::string_view name) noexcept {
  for (const auto& row : rows) {
    if (!row.conf.name.empty() && same_word(row.conf.name, name)) return &row;
  }
  return static_cast<decltype(&rows[0])>(nullptr);
}

template <class Rows>
auto* find(const Rows& rows, std::string_view uapi) noexcept {
  for (const auto& row : rows) {
    if (row.uapi == uapi) return &row;
  }
  return static_cast<decltype(&rows[0])>(nullptr);
}

}  // namespace

std::span<const InterfaceField> interface_fields() noexcept {
  return kInterfaceFields;
}

std::span<const PeerField> peer_fields() noexcept {
  return kPeerFields;
}

const InterfaceField* interface_field(std::string_view uapi) noexcept {
  return find(kInterfaceFields, uapi);
}

const PeerField* peer_field(std::string_view uapi) noexcept {
  return find(kPeerFields, uapi);
}

const InterfaceField* interface_field_in_conf(std::string_view name) noexcept {
  return find_in_conf(kInterfaceFields, name);
}

const PeerField* peer_field_in_conf(std::string_view name) noexcept {
  return find_in_conf(kPeerFields, name);
}

}  // namespace wg::settings
