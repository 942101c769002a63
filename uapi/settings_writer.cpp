#include "uapi/settings_writer.hpp"

#include <fmt/format.h>

#include <string>

#include "settings/key_text.hpp"

namespace wg::uapi {
namespace {

void line(crypto::SecretText& text, std::string_view word, std::string_view value) {
  text.append(word).append("=").append(value).push_back('\n');
}

void key_line(crypto::SecretText& text, std::string_view word,
              std::span<const std::byte, crypto::kKeyBytes> key) {
  text.append(word).push_back('=');
  settings::append_hex(text, key);
  text.push_back('\n');
}

void append_peer(crypto::SecretText& text, const settings::PeerSettings& peer) {
  key_line(text, "public_key", peer.public_key.bytes);
  if (peer.remove) line(text, "remove", "true");
  if (peer.update_only) line(text, "update_only", "true");
  if (peer.preshared_key) key_line(text, "preshared_key", peer.preshared_key->bytes());
  if (peer.endpoint) line(text, "endpoint", *peer.endpoint);
  if (peer.persistent_keepalive) {
    line(text, "persistent_keepalive_interval", std::to_string(*peer.persistent_keepalive));
  }
  if (peer.replace_allowed_ips) line(text, "replace_allowed_ips", "true");
  for (const settings::AllowedIpChange& change : peer.allowed_ips) {
    if (change.withdraw) {
      line(text, "allowed_ip", fmt::format("-{}", change.prefix.text()));
    } else {
      line(text, "allowed_ip", change.prefix.text());
    }
  }
}

}  // namespace

void append(crypto::SecretText& text, const settings::Settings& settings) {
  if (settings.private_key) key_line(text, "private_key", settings.private_key->bytes());
  if (settings.listen_port) line(text, "listen_port", std::to_string(*settings.listen_port));
  if (settings.fwmark) line(text, "fwmark", std::to_string(*settings.fwmark));
  if (settings.replace_peers) line(text, "replace_peers", "true");
  for (const settings::PeerSettings& peer : settings.peers) append_peer(text, peer);
}

}  // namespace wg::uapi
