// The routing of this network namespace: when it may have changed, and which way a packet takes.
//
// What may change a way: routes, rules, addresses, links. Such events come in crowds (a routing
// daemon with a full table, an uplink that goes): `changed` is called at once after the first, and
// then not again before what it did then could have been done ten times.
//
// Runs on: one thread at a time; handlers on the executor of the context.
#pragma once

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>

#include "errors/failure.hpp"

namespace wg::netlink {

/// Why there is no way.
enum class NoWay : std::uint8_t {
  SourceUnusable,  // the source address is none of ours (any more), or cannot be used towards there
  Unreachable,     // no route, or it cannot be told
};

class Routes {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Routes>> open(boost::asio::io_context& context);
  virtual ~Routes() = default;

  virtual void watch(std::function<void()> changed) = 0;
  /// The interface by which a packet of ours leaves: to `destination`, from `source` (addresses of
  /// 4 or 16 bytes, of one family), with the firewall mark `mark`.
  [[nodiscard]] virtual std::expected<unsigned, NoWay> way_out(
      std::span<const std::byte> destination, std::span<const std::byte> source,
      std::uint32_t mark) = 0;
};

}  // namespace wg::netlink
