#include "uapi/state_writer.hpp"

#include <fmt/format.h>

#include <iterator>

#include "settings/key_text.hpp"

namespace wg::uapi {
namespace {

/// A secret as a line; the intermediate text is wiped.
void append_secret(std::string& text, std::string_view key,
                   std::span<const std::byte, crypto::kKeyBytes> secret) {
  std::string hex = settings::to_hex(secret);
  text.append(key).append(1, '=').append(hex).append(1, '\n');
  sodium_memzero(hex.data(), hex.size());
}

}  // namespace

void append(std::string& text, const settings::InterfaceState& state) {
  if (state.private_key) append_secret(text, "private_key", state.private_key->bytes());
  if (state.listen_port != 0) {
    fmt::format_to(std::back_inserter(text), "listen_port={}\n", state.listen_port);
  }
  if (state.fwmark != 0) fmt::format_to(std::back_inserter(text), "fwmark={}\n", state.fwmark);
}

void append(std::string& text, const settings::PeerState& state) {
  fmt::format_to(std::back_inserter(text), "public_key={}\n",
                 settings::to_hex(state.public_key.bytes));
  append_secret(text, "preshared_key", state.preshared_key.bytes());
  text += "protocol_version=1\n";
  if (state.endpoint) text += "endpoint=" + *state.endpoint + "\n";
  const auto seconds = std::chrono::floor<std::chrono::seconds>(state.last_handshake);
  fmt::format_to(std::back_inserter(text),
                 "last_handshake_time_sec={}\nlast_handshake_time_nsec={}\ntx_bytes={}\n"
                 "rx_bytes={}\npersistent_keepalive_interval={}\n",
                 seconds.count(), (state.last_handshake - seconds).count(), state.tx_bytes,
                 state.rx_bytes, state.persistent_keepalive);
  for (const settings::Prefix& prefix : state.allowed_ips) {
    text += "allowed_ip=" + prefix.text() + "\n";
  }
}

}  // namespace wg::uapi
