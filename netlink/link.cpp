#include "netlink/link.hpp"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sched.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <optional>
#include <thread>

namespace wg::netlink {
namespace {

using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;

Failure nl_failure(int error) {
  return Failure(std::string("netlink: ") + nl_geterror(error));
}

Result<Socket> connect() {
  Socket socket(nl_socket_alloc(), &nl_socket_free);
  if (!socket) return std::unexpected(Failure::system(ENOMEM));
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
    return std::unexpected(nl_failure(error));
  }
  return socket;
}

class NetlinkLink final : public Link {
 public:
  NetlinkLink(boost::asio::io_context& context, Socket requests, Socket events, int index)
      : requests_(std::move(requests)),
        events_(std::move(events)),
        descriptor_(context, nl_socket_get_fd(events_.get())),
        index_(index) {}
  ~NetlinkLink() override { descriptor_.release(); }

  Result<LinkState> state() override {
    auto link = get();
    if (!link) return std::unexpected(link.error());
    return LinkState{.up = (rtnl_link_get_flags(link->get()) & IFF_UP) != 0,
                     .mtu = rtnl_link_get_mtu(link->get())};
  }

  Result<void> set_mtu(unsigned mtu) override {
    auto link = get();
    if (!link) return std::unexpected(link.error());
    const LinkPtr change(rtnl_link_alloc(), &rtnl_link_put);
    rtnl_link_set_mtu(change.get(), mtu);
    const int error = rtnl_link_change(requests_.get(), link->get(), change.get(), 0);
    if (error < 0) return std::unexpected(nl_failure(error).during("MTU {}", mtu));
    return {};
  }

  void watch(std::function<void(LinkState)> changed, std::function<void()> removed) override {
    changed_ = std::move(changed);
    removed_ = std::move(removed);
    nl_socket_disable_seq_check(events_.get());
    nl_socket_modify_cb(events_.get(), NL_CB_VALID, NL_CB_CUSTOM, &NetlinkLink::on_message, this);
    wait();
  }

 private:
  using LinkPtr = std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)>;

  Result<LinkPtr> get() {
    rtnl_link* raw = nullptr;
    const int error = rtnl_link_get_kernel(requests_.get(), index_, nullptr, &raw);
    if (error < 0) return std::unexpected(nl_failure(error));
    return LinkPtr(raw, &rtnl_link_put);
  }

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (!error) read_events();
                           });
  }

  void read_events() {
    latest_.reset();
    gone_ = false;
    const int error = nl_recvmsgs_default(events_.get());
    if (error < 0 && error != -NLE_AGAIN) {
      // Events were lost (the socket's buffer was full): ask how things are instead.
      if (auto now = state()) {
        latest_ = *now;
      } else {
        gone_ = true;
      }
    }
    // The handlers may end this object, so what follows them must not need it.
    if (gone_) {
      const auto removed = removed_;
      return removed();
    }
    wait();
    if (latest_) changed_(*latest_);
  }

  static int on_message(nl_msg* message, void* self) {
    return static_cast<NetlinkLink*>(self)->take(nlmsg_hdr(message));
  }

  int take(nlmsghdr* header) {
    if (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) return NL_OK;
    if (!nlmsg_valid_hdr(header, sizeof(ifinfomsg))) return NL_OK;
    const auto* const info = static_cast<const ifinfomsg*>(nlmsg_data(header));
    if (info->ifi_index != index_ || info->ifi_family != AF_UNSPEC) return NL_OK;
    if (header->nlmsg_type == RTM_DELLINK) {
      gone_ = true;
      return NL_OK;
    }
    LinkState state{.up = (info->ifi_flags & IFF_UP) != 0};
    if (nlattr* const mtu = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_MTU)) {
      state.mtu = nla_get_u32(mtu);
      latest_ = state;
    }
    return NL_OK;
  }

  Socket requests_;
  Socket events_;
  boost::asio::posix::stream_descriptor descriptor_;
  int index_;
  std::function<void(LinkState)> changed_;
  std::function<void()> removed_;
  std::optional<LinkState> latest_;
  bool gone_ = false;
};

}  // namespace

Result<std::unique_ptr<Link>> Link::open(boost::asio::io_context& context,
                                         const std::string& name) {
  auto events = connect();  // first, so that no change falls between looking and listening
  if (!events) return std::unexpected(events.error());
  if (const int error = nl_socket_add_membership(events->get(), RTNLGRP_LINK); error < 0) {
    return std::unexpected(nl_failure(error));
  }
  nl_socket_set_nonblocking(events->get());
  auto requests = connect();
  if (!requests) return std::unexpected(requests.error());
  rtnl_link* link = nullptr;
  if (const int error = rtnl_link_get_kernel(requests->get(), 0, name.c_str(), &link); error < 0) {
    return std::unexpected(nl_failure(error).during("{}", name));
  }
  const int index = rtnl_link_get_ifindex(link);
  rtnl_link_put(link);
  return std::make_unique<NetlinkLink>(context, std::move(*requests), std::move(*events), index);
}

Result<std::unique_ptr<Link>> Link::open_in(boost::asio::io_context& context,
                                            const Descriptor& network_namespace,
                                            const std::string& name) {
  Result<std::unique_ptr<Link>> result = std::unexpected(Failure("not opened"));
  // A thread of its own enters the namespace, so that no other thread's sockets are ever made
  // there.
  std::thread([&] {
    if (::setns(network_namespace.get(), CLONE_NEWNET) != 0) {
      result = std::unexpected(Failure::system(errno).during("entering the interface's namespace"));
      return;
    }
    result = open(context, name);
  }).join();
  return result;
}

}  // namespace wg::netlink
