#include "uapi/settings_parser.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>

#include "settings/key_text.hpp"
#include "uapi/shown.hpp"

namespace wg::uapi {
namespace {

template <class Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class Key>
std::optional<Key> parse_key(std::string_view text) {
  Key key;
  if constexpr (std::is_same_v<Key, crypto::PublicKey>) {
    if (!settings::from_hex(text, key.bytes)) return std::nullopt;
  } else {
    if (!settings::from_hex(text, key.bytes())) return std::nullopt;
  }
  return key;
}

constexpr std::string_view kKeyExpected = "64 hex digits";
/// What is wrong with it in particular is not said, since that repeats what was sent.
constexpr std::string_view kEndpointExpected =
    "an address and a port that this network reaches, like 192.0.2.1:51820 or "
    "[2001:db8::1]:51820; names must be resolved before";

}  // namespace

void SettingsParser::line(std::string_view text) {
  lines_++;
  if (refusal_) return;
  if (lines_ > kLinesMax) {
    refusal_ = Refusal{ENOANO, fmt::format("more than {} lines in one set", kLinesMax)};
    return;
  }
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    refusal_ = Refusal{EPROTO, fmt::format("line {}: no '=' in it", lines_)};
    return;
  }
  refusal_ = take(text.substr(0, equals), text.substr(equals + 1));
}

std::expected<settings::Settings, Refusal> SettingsParser::finish() {
  if (refusal_) return std::unexpected(*refusal_);
  return std::move(settings_);
}

Refusal SettingsParser::bad_value(std::string_view key, std::string_view expected) const {
  return {EINVAL, fmt::format("line {}: {}: expected {}", lines_, key, expected)};
}

std::optional<Refusal> SettingsParser::take(std::string_view key, std::string_view value) {
  if (key == "public_key") return begin_peer(value);
  if (settings_.peers.empty()) return take_device(key, value);
  return take_peer(key, value);
}

std::optional<Refusal> SettingsParser::take_device(std::string_view key, std::string_view value) {
  if (key == "private_key") {
    settings_.private_key = parse_key<crypto::PrivateKey>(value);
    if (!settings_.private_key) return bad_value(key, kKeyExpected);
  } else if (key == "listen_port") {
    settings_.listen_port = parse_integer<std::uint16_t>(value);
    if (!settings_.listen_port) return bad_value(key, "0…65535");
  } else if (key == "fwmark") {
    settings_.fwmark = value.empty() ? std::uint32_t{0} : parse_integer<std::uint32_t>(value);
    if (!settings_.fwmark) return bad_value(key, "0…4294967295");
  } else if (key == "replace_peers") {
    if (value != "true") return bad_value(key, "true");
    settings_.replace_peers = true;
  } else {
    return Refusal{EINVAL,
                   fmt::format("line {}: '{}' is no key of the interface", lines_, shown(key))};
  }
  return std::nullopt;
}

std::optional<Refusal> SettingsParser::begin_peer(std::string_view value) {
  const auto key = parse_key<crypto::PublicKey>(value);
  if (!key) return bad_value("public_key", kKeyExpected);
  settings_.peers.emplace_back().public_key = *key;
  return std::nullopt;
}

std::optional<Refusal> SettingsParser::take_peer(std::string_view key, std::string_view value) {
  if (key == "remove" || key == "update_only" || key == "replace_allowed_ips") {
    if (value != "true") return bad_value(key, "true");
    if (key == "remove") {
      peer().remove = true;
    } else if (key == "update_only") {
      peer().update_only = true;
    } else {
      peer().replace_allowed_ips = true;
      peer().allowed_ips.clear();  // those before it are replaced as well
    }
  } else if (key == "preshared_key") {
    peer().preshared_key = parse_key<crypto::PresharedKey>(value);
    if (!peer().preshared_key) return bad_value(key, kKeyExpected);
  } else if (key == "endpoint") {
    if (endpoint_error_(value)) return bad_value(key, kEndpointExpected);
    peer().endpoint = value;
  } else if (key == "persistent_keepalive_interval") {
    peer().persistent_keepalive = parse_integer<std::uint16_t>(value);
    if (!peer().persistent_keepalive) return bad_value(key, "0…65535 seconds");
  } else if (key == "allowed_ip") {
    return take_allowed_ip(value);
  } else if (key == "protocol_version") {
    if (value != "1") return bad_value(key, "1");
  } else {
    return Refusal{EINVAL, fmt::format("line {}: '{}' is no key of a peer", lines_, shown(key))};
  }
  return std::nullopt;
}

std::optional<Refusal> SettingsParser::take_allowed_ip(std::string_view value) {
  const bool withdraw = value.starts_with('-');
  const auto prefix = settings::Prefix::parse_with_length(withdraw ? value.substr(1) : value);
  if (!prefix)
    return bad_value("allowed_ip", "a prefix with its length, like 10.0.0.0/8 or fd00::/8");
  peer().allowed_ips.push_back({.prefix = *prefix, .withdraw = withdraw});
  return std::nullopt;
}

}  // namespace wg::uapi
