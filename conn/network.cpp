#include "conn/network.hpp"

#include <ostream>

#include "conn/stream_bind.hpp"
#include "conn/udp_bind.hpp"

namespace wg::conn {

std::string_view name_of(Network network) noexcept {
  switch (network) {
    case Network::Udp:
      return "udp";
    case Network::Tcp:
      return "tcp";
    case Network::Tcp4:
      return "tcp4";
    case Network::Tcp6:
      return "tcp6";
    case Network::Vsock:
      return "vsock";
  }
  return "udp";
}

std::ostream& operator<<(std::ostream& out, Network network) {
  return out << name_of(network);
}

std::optional<Network> parse_network(std::string_view name) noexcept {
  for (const Network network :
       {Network::Udp, Network::Tcp, Network::Tcp4, Network::Tcp6, Network::Vsock}) {
    if (name == name_of(network)) return network;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Bind>> make_bind(Network network,
                                        std::vector<boost::asio::io_context*> shards,
                                        std::shared_ptr<spdlog::logger> log) {
  if (network == Network::Udp) return std::make_unique<UdpBind>(std::move(shards));
  const StreamNetwork stream = network == Network::Tcp    ? StreamNetwork::Tcp
                               : network == Network::Tcp4 ? StreamNetwork::Tcp4
                               : network == Network::Tcp6 ? StreamNetwork::Tcp6
                                                          : StreamNetwork::Vsock;
  if (auto possible = probe(stream); !possible) return std::unexpected(possible.error());
  return std::make_unique<StreamBind>(stream, std::move(shards), std::move(log));
}

}  // namespace wg::conn
