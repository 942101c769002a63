#include "uapi/state_writer.hpp"

#include <fmt/format.h>

#include <iterator>

#include "settings/key_text.hpp"

namespace wg::uapi {
namespace {

void append_secret(crypto::SecretText& text, std::string_view key,
                   std::span<const std::byte, crypto::kKeyBytes> secret) {
  text.append(key).push_back('=');
  settings::append_hex(text, secret);
  text.push_back('\n');
}

}  // namespace

void append(crypto::SecretText& text, const settings::InterfaceState& state) {
  if (state.private_key) append_secret(text, "private_key", state.private_key->bytes());
  if (state.listen_port != 0) {
    fmt::format_to(std::back_inserter(text), "listen_port={}\n", state.listen_port);
  }
  if (state.fwmark != 0) fmt::format_to(std::back_inserter(text), "fwmark={}\n", state.fwmark);
}

void append(crypto::SecretText& text, const settings::PeerState& state) {
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "public_key={}\n", settings::to_hex(state.public_key));
  append_secret(text, "preshared_key", state.preshared_key.bytes());
  text.append("protocol_version=1\n");
  if (state.endpoint) fmt::format_to(out, "endpoint={}\n", *state.endpoint);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(state.last_handshake);
  fmt::format_to(out,
                 "last_handshake_time_sec={}\nlast_handshake_time_nsec={}\ntx_bytes={}\n"
                 "rx_bytes={}\npersistent_keepalive_interval={}\n",
                 seconds.count(), (state.last_handshake - seconds).count(), state.tx_bytes,
                 state.rx_bytes, state.persistent_keepalive);
  for (const settings::Prefix& prefix : state.allowed_ips) {
    fmt::format_to(out, "allowed_ip={}\n", prefix.text());
  }
}

}  // namespace wg::uapi
