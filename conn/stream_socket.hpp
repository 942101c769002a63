// The sockets under streams: TCP in one or both families of addresses, and AF_VSOCK. What differs
// between them is here and nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "conn/endpoint.hpp"
#include "errors/descriptor.hpp"
#include "errors/failure.hpp"

namespace wg::conn {

enum class StreamNetwork : std::uint8_t { Tcp, Tcp4, Tcp6, Vsock };

/// Whether this system can do it at all; else what is missing, and the way out.
[[nodiscard]] Result<void> probe(StreamNetwork network);

/// Listeners on all addresses, one for each family; `port` is not 0. A family that the host lacks
/// is done without, if the network allows another one.
[[nodiscard]] Result<std::vector<Descriptor>> listen_on(StreamNetwork network, std::uint16_t port,
                                                        std::uint32_t mark);

/// A text as an endpoint of that network.
[[nodiscard]] std::expected<Endpoint, std::string> parse_endpoint(StreamNetwork network,
                                                                  std::string_view text);

/// Begins to connect; it is done when the socket becomes writable, see `connect_error`.
[[nodiscard]] Result<Descriptor> begin_connect(const Endpoint& to, std::uint32_t mark);
/// How it ended: an errno, 0 for well.
[[nodiscard]] int connect_error(int fd) noexcept;

struct Accepted {
  Descriptor fd;
  Endpoint from;
};
/// None: errno says why; EAGAIN: nobody waits.
[[nodiscard]] std::optional<Accepted> accept_from(int listener) noexcept;

/// Our own address on a connected socket; unknown if it cannot be told.
[[nodiscard]] Endpoint local_endpoint(int fd) noexcept;

[[nodiscard]] Result<void> set_mark(int fd, std::uint32_t mark) noexcept;

}  // namespace wg::conn
