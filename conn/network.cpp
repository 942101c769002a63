#include "conn/network.hpp"

#include "conn/stream_bind.hpp"
#include "conn/udp_bind.hpp"

namespace wg::conn {

std::optional<Network> parse_network(std::string_view name) noexcept {
  if (name == "udp") return Network::Udp;
  if (name == "tcp") return Network::Tcp;
  if (name == "tcp4") return Network::Tcp4;
  if (name == "tcp6") return Network::Tcp6;
  if (name == "vsock") return Network::Vsock;
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
