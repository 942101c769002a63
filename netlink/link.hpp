// One network interface seen through rtnetlink (libnl-route): its MTU and up state, now and
// whenever they change.
//
// All sockets are made in this thread's network namespace and stay there, also when the interface
// moves to another one: a socket of ours in that namespace would keep it alive, with all that is in
// it, after its owner has deleted it. The other namespace is named by an id instead (NETNSID), in
// questions and in events. That takes CAP_NET_ADMIN over both namespaces, and CAP_NET_BROADCAST to
// hear of others than our own; no thread ever enters the other one.
//
// Runs on: one thread at a time; handlers on the executor of the context.
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
  /// The same for one that is in `network_namespace`, which may be closed afterwards.
  [[nodiscard]] static Result<std::unique_ptr<Link>> open_elsewhere(
      boost::asio::io_context& context, const Descriptor& network_namespace,
      const std::string& name);
  virtual ~Link() = default;

  [[nodiscard]] virtual Result<LinkState> state() = 0;
  [[nodiscard]] virtual Result<void> set_mtu(unsigned mtu) = 0;
  /// The kernel gives it no link-local address of its own, as it gives none to its own WireGuard.
  /// Nothing where IPv6 is switched off.
  virtual void give_no_link_local_address() = 0;
  /// Calls `changed` with every new state, and `left` when the interface is not where it was any
  /// more: deleted, or moved.
  virtual void watch(std::function<void(LinkState)> changed, std::function<void()> left) = 0;
  /// The interface is called `name` now and is in `network_namespace`: goes on watching it there.
  /// `network_namespace` may be closed afterwards.
  [[nodiscard]] virtual Result<void> follow(const Descriptor& network_namespace,
                                            const std::string& name) = 0;
};

}  // namespace wg::netlink
