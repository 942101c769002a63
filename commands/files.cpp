// Configuration files as text: an example, what wg(8) takes of one, and a running interface as one.
#include <fmt/format.h>

#include "commands/console.hpp"
#include "commands/interfaces.hpp"
#include "config/conf_file.hpp"
#include "settings/fields.hpp"

namespace wg::commands {
namespace {

constexpr std::string_view kExample =
    R"(# A configuration file of a WireGuard interface, as wg-quick(8) takes it.
# Lines that begin with '#' are comments. Keys: wireguard-cpp genkey, wireguard-cpp pubkey.

[Interface]
# This side's private key; keep the file to yourself (chmod 600).
PrivateKey = AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
# Addresses of this side within the tunnel.
Address = 10.77.0.1/24, fd77::1/64
# Where others reach this side. Without it any free port is taken: enough where this side calls.
ListenPort = 51820
# Name servers, and domains to search, while the tunnel is up.
#DNS = 10.77.0.53, example.org
# Found from the way to the peers, if it is left out.
#MTU = 1420
# Commands around it; %i is the interface's name.
#PostUp = echo %i is up
#PostDown = echo %i is down

[Peer]
# The other side's public key.
PublicKey = HvKFkOqyRDAMQ5TKWQXFPNYDOz8mPTR5BKmpGfXHP24=
# An additional secret that both sides share: wireguard-cpp genpsk.
#PresharedKey =
# What is sent to this peer, and taken from it; 0.0.0.0/0, ::/0: everything.
AllowedIPs = 10.77.0.2/32, fd77::2/128
# Where the peer is reached; left out where it calls.
#Endpoint = vpn.example.org:51820
# Every so many seconds, where this side is behind NAT and is to be reached.
#PersistentKeepalive = 25
)";

/// The lines of `fields` in that order.
template <class Rows, class State>
void append(crypto::SecretText& text, const Rows& rows, const State& state,
            std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const auto& row : rows) {
      if (row.conf.name == name) row.conf.write(text, name, state);
    }
  }
}

}  // namespace

int show_config(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  if (const auto code = line.read(arguments)) return *code;
  return print(kExample);
}

int strip(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  std::string named;
  line.add_option("FILE", named, "The file, or a NAME for /etc/wireguard/NAME.conf")->required();
  if (const auto code = line.read(arguments)) return *code;
  const std::string path = conf_path(named);
  const auto text = read_file(path);
  if (!text) return fail(text.error());
  const auto file = config::parse(text->view(), path);
  if (!file) return fail(Failure(file.error().text(path)));
  for (const std::string& warning : file->warnings) remark(warning);
  return print(config::without_host_settings(text->view()).view());
}

int showconf(const CommandRow& row, Arguments arguments) {
  CommandLine line(row);
  std::string interface;
  line.add_option("INTERFACE", interface, "The interface's name")->required();
  if (const auto code = line.read(arguments)) return *code;
  auto client = connect(interface);
  if (!client) return fail(client.error());
  const auto state = client->state();
  if (!state) return fail(state.error().during("{}", interface));
  crypto::SecretText text("[Interface]\n");
  append(text, settings::interface_fields(), state->interface,
         {"ListenPort", "FwMark", "PrivateKey"});
  for (const settings::PeerState& peer : state->peers) {
    text.append("\n[Peer]\n");
    append(text, settings::peer_fields(), peer,
           {"PublicKey", "PresharedKey", "AllowedIPs", "Endpoint", "PersistentKeepalive"});
  }
  return print(text.view());
}

}  // namespace wg::commands
