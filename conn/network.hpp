// Which outer end there is, as one setting: a command line and a configuration file fill it in
// alike.
#pragma once

#include <spdlog/logger.h>

#include <boost/asio/io_context.hpp>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "conn/bind.hpp"

namespace wg::conn {

enum class Network : std::uint8_t { Udp, Tcp, Tcp4, Tcp6, Vsock };
std::ostream& operator<<(std::ostream& out, Network network);

inline constexpr const char* kNetworkNames = "udp, tcp, tcp4, tcp6, vsock";

[[nodiscard]] std::string_view name_of(Network network) noexcept;
[[nodiscard]] std::optional<Network> parse_network(std::string_view name) noexcept;

/// The bind of that network, or why this system cannot have it. One context for each shard; they
/// outlive the bind.
[[nodiscard]] Result<std::unique_ptr<Bind>> make_bind(Network network,
                                                      std::vector<boost::asio::io_context*> shards,
                                                      std::shared_ptr<spdlog::logger> log);

}  // namespace wg::conn
