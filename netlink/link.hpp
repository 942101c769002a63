// One network interface seen through rtnetlink (libnl-route): its MTU and up state, now and
// whenever they change.
//
// A netlink socket belongs to the network namespace in which it was made. An interface that moves
// to another namespace is reported as removed in the old one; whoever owns it finds out where it
// went and opens a new `Link` there.
//
// One thread at a time; handlers run on the executor of the context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "errors/descriptor.hpp"
#include "errors/failure.hpp"

namespace wg::netlink {

struct LinkState {
  bool up = false;
  unsigned mtu = 0;

  friend bool operator==(const LinkState&, const LinkState&) = default;
};

class Link {
 public:
  /// Opens the interface `name` in this thread's network namespace.
  [[nodiscard]] static Result<std::unique_ptr<Link>> open(boost::asio::io_context& context,
                                                          const std::string& name);
  /// Opens it in another namespace, given by a descriptor of it. Needs CAP_SYS_ADMIN.
  [[nodiscard]] static Result<std::unique_ptr<Link>> open_in(boost::asio::io_context& context,
                                                             const Descriptor& network_namespace,
                                                             const std::string& name);
  virtual ~Link() = default;

  [[nodiscard]] virtual Result<LinkState> state() = 0;
  [[nodiscard]] virtual Result<void> set_mtu(unsigned mtu) = 0;
  /// Calls `changed` with every new state, and `removed` once when the interface has left this
  /// namespace.
  virtual void watch(std::function<void(LinkState)> changed, std::function<void()> removed) = 0;
};

}  // namespace wg::netlink
