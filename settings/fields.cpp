#include "settings/fields.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "settings/key_text.hpp"

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
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
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

template <class Form, class Value>
void line(SecretText& text, std::string_view uapi, const Value& value) {
  text.append(uapi).push_back('=');
  Form::write(text, value);
  text.push_back('\n');
}

template <auto Member, class Form, class State>
void give(SecretText& text, std::string_view uapi, const State& state) {
  line<Form>(text, uapi, state.*Member);
}

template <auto Member, class Form, class State>
void give_if_there(SecretText& text, std::string_view uapi, const State& state) {
  if (state.*Member) line<Form>(text, uapi, *(state.*Member));
}

template <auto Member, class Form, class State>
void give_unless_zero(SecretText& text, std::string_view uapi, const State& state) {
  if (state.*Member != 0) line<Form>(text, uapi, state.*Member);
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

// ---- The rows

constexpr std::string_view kKey = "64 hex digits";
/// What is wrong with an endpoint in particular is not said, since that repeats what was sent.
constexpr std::string_view kEndpoint =
    "an address and a port that this network reaches, like 192.0.2.1:51820 or "
    "[2001:db8::1]:51820; names must be resolved before";
constexpr std::string_view kPrefix = "a prefix with its length, like 10.0.0.0/8 or fd00::/8";

using Device = Settings;
using Interface = InterfaceState;

constexpr InterfaceField kInterfaceFields[] = {
    {"private_key", "PrivateKey", kKey, take<&Device::private_key, Hex>,
     take<&Interface::private_key, Hex>, give_if_there<&Interface::private_key, Hex>},
    {"listen_port", "ListenPort", "0…65535", take<&Device::listen_port, Decimal>,
     take<&Interface::listen_port, Decimal>, give_unless_zero<&Interface::listen_port, Decimal>},
    {"fwmark", "FwMark", "0…4294967295", take<&Device::fwmark, DecimalOrNothing>,
     take<&Interface::fwmark, Decimal>, give_unless_zero<&Interface::fwmark, Decimal>},
    {"replace_peers", "", "true", take<&Device::replace_peers, True>, nullptr, nullptr},
};

using Peer = PeerSettings;

constexpr PeerField kPeerFields[] = {
    {"public_key", "PublicKey", kKey, take<&Peer::public_key, Hex>,
     take<&PeerState::public_key, Hex>, give<&PeerState::public_key, Hex>},
    {"remove", "", "true", take<&Peer::remove, True>, nullptr, nullptr},
    {"update_only", "", "true", take<&Peer::update_only, True>, nullptr, nullptr},
    {"preshared_key", "PresharedKey", kKey, take<&Peer::preshared_key, Hex>,
     take<&PeerState::preshared_key, Hex>, give<&PeerState::preshared_key, Hex>},
    {"protocol_version", "", "1", is_version<Peer>, is_version<PeerState>, give_version},
    {"endpoint", "Endpoint", kEndpoint, take<&Peer::endpoint, Verbatim>,
     take<&PeerState::endpoint, Verbatim>, give_if_there<&PeerState::endpoint, Verbatim>},
    {"last_handshake_time_sec", "", "seconds", nullptr, take_seconds, give_seconds},
    {"last_handshake_time_nsec", "", "0…999999999", nullptr, take_nanoseconds, give_nanoseconds},
    {"tx_bytes", "", "a number", nullptr, take<&PeerState::tx_bytes, Decimal>,
     give<&PeerState::tx_bytes, Decimal>},
    {"rx_bytes", "", "a number", nullptr, take<&PeerState::rx_bytes, Decimal>,
     give<&PeerState::rx_bytes, Decimal>},
    {"persistent_keepalive_interval", "PersistentKeepalive", "0…65535 seconds",
     take<&Peer::persistent_keepalive, Decimal>, take<&PeerState::persistent_keepalive, Decimal>,
     give<&PeerState::persistent_keepalive, Decimal>},
    {"replace_allowed_ips", "", "true", replace_allowed_ips, nullptr, nullptr},
    {"allowed_ip", "AllowedIPs", kPrefix, change_allowed_ip, take_allowed_ip, give_allowed_ips},
};

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

}  // namespace wg::settings
