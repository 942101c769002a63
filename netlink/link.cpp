#include "netlink/link.hpp"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <optional>

#include "netlink/socket.hpp"

namespace wg::netlink {
namespace {

/// "In our own namespace", as an id of one.
constexpr int kHere = -1;

struct Found {
  int index = 0;
  LinkState state;
};

/// Asks for an interface by its index or, if that is 0, by its name.
std::expected<Found, int> find(nl_sock* socket, int namespace_id, int index,
                               const std::string& name) {
  const Message request(nlmsg_alloc_simple(RTM_GETLINK, 0), &nlmsg_free);
  ifinfomsg header{};
  header.ifi_index = index;
  if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0) {
    return std::unexpected(-NLE_NOMEM);
  }
  if (index == 0) nla_put_string(request.get(), IFLA_IFNAME, name.c_str());
  if (namespace_id != kHere) nla_put_s32(request.get(), IFLA_TARGET_NETNSID, namespace_id);
  std::optional<Found> found;
  const int error = ask(socket, request.get(), [&](nlmsghdr* answer) {
    if (answer->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(answer, sizeof(ifinfomsg))) return;
    const auto* const info = static_cast<const ifinfomsg*>(nlmsg_data(answer));
    found = Found{.index = info->ifi_index, .state = {.up = (info->ifi_flags & IFF_UP) != 0}};
    if (nlattr* const mtu = nlmsg_find_attr(answer, sizeof(ifinfomsg), IFLA_MTU)) {
      found->state.mtu = nla_get_u32(mtu);
    }
  });
  if (error < 0) return std::unexpected(error);
  if (!found) return std::unexpected(-NLE_OBJ_NOTFOUND);
  return *found;
}

/// The id by which our namespace knows the other one; kHere if it has none yet.
int known_id(nl_sock* socket, const Descriptor& network_namespace) {
  const Message request(nlmsg_alloc_simple(RTM_GETNSID, 0), &nlmsg_free);
  const rtgenmsg header{.rtgen_family = AF_UNSPEC};
  nlmsg_append(request.get(), const_cast<rtgenmsg*>(&header), sizeof header, NLMSG_ALIGNTO);
  nla_put_u32(request.get(), NETNSA_FD, static_cast<std::uint32_t>(network_namespace.get()));
  int id = kHere;
  (void)ask(socket, request.get(), [&](nlmsghdr* answer) {
    if (nlattr* const found = nlmsg_find_attr(answer, sizeof(rtgenmsg), NETNSA_NSID)) {
      id = nla_get_s32(found);
    }
  });
  return id;
}

Result<int> id_of(nl_sock* socket, const Descriptor& network_namespace) {
  if (const int id = known_id(socket, network_namespace); id != kHere) return id;
  const Message request(nlmsg_alloc_simple(RTM_NEWNSID, NLM_F_REQUEST | NLM_F_ACK), &nlmsg_free);
  const rtgenmsg header{.rtgen_family = AF_UNSPEC};
  nlmsg_append(request.get(), const_cast<rtgenmsg*>(&header), sizeof header, NLMSG_ALIGNTO);
  nla_put_u32(request.get(), NETNSA_FD, static_cast<std::uint32_t>(network_namespace.get()));
  nla_put_s32(request.get(), NETNSA_NSID, kHere);  // any
  if (const int error = ask(socket, request.get(), [](nlmsghdr*) {}); error < 0) {
    return std::unexpected(nl_failure(error).during("naming the interface's namespace"));
  }
  const int id = known_id(socket, network_namespace);
  if (id == kHere) return std::unexpected(Failure("its network namespace cannot be named"));
  return id;
}

class NetlinkLink final : public Link {
 public:
  /// Of no interface yet: `find` or `follow` comes first.
  static Result<std::unique_ptr<NetlinkLink>> open(boost::asio::io_context& context) {
    auto events = connect();  // first, so that no change falls between looking and listening
    if (!events) return std::unexpected(events.error());
    if (const int error = nl_socket_add_membership(events->get(), RTNLGRP_LINK); error < 0) {
      return std::unexpected(nl_failure(error));
    }
    const int on = 1;
    const bool all = ::setsockopt(nl_socket_get_fd(events->get()), SOL_NETLINK,
                                  NETLINK_LISTEN_ALL_NSID, &on, sizeof on) == 0;
    nl_socket_set_nonblocking(events->get());
    auto requests = connect();
    if (!requests) return std::unexpected(requests.error());
    return std::unique_ptr<NetlinkLink>(
        new NetlinkLink(context, std::move(*requests), std::move(*events), all));
  }
  ~NetlinkLink() override { descriptor_.release(); }

  Result<void> find_here(const std::string& name) {
    const auto found = find(requests_.get(), kHere, 0, name);
    if (!found) return std::unexpected(nl_failure(found.error()).during("{}", name));
    index_ = found->index;
    return {};
  }

  Result<LinkState> state() override {
    const auto found = find(requests_.get(), namespace_id_, index_, {});
    if (!found) return std::unexpected(nl_failure(found.error()));
    return found->state;
  }

  Result<void> set_mtu(unsigned mtu) override {
    rtnl_link* raw = nullptr;
    int error = rtnl_link_get_kernel(requests_.get(), index_, nullptr, &raw);
    if (error < 0) return std::unexpected(nl_failure(error).during("MTU {}", mtu));
    const LinkPtr link(raw, &rtnl_link_put);
    const LinkPtr change(rtnl_link_alloc(), &rtnl_link_put);
    rtnl_link_set_mtu(change.get(), mtu);
    error = rtnl_link_change(requests_.get(), link.get(), change.get(), 0);
    if (error < 0) return std::unexpected(nl_failure(error).during("MTU {}", mtu));
    return {};
  }

  void give_no_link_local_address() override {
    ifinfomsg header{};
    header.ifi_index = index_;
    const Message request(nlmsg_alloc_simple(RTM_NEWLINK, 0), &nlmsg_free);
    nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
    nlattr* const families = nla_nest_start(request.get(), IFLA_AF_SPEC);
    nlattr* const v6 = nla_nest_start(request.get(), AF_INET6);
    nla_put_u8(request.get(), IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    nla_nest_end(request.get(), v6);
    nla_nest_end(request.get(), families);
    (void)ask(requests_.get(), request.get(), [](nlmsghdr*) {});
  }

  void watch(std::function<void(LinkState)> changed, std::function<void()> left) override {
    changed_ = std::move(changed);
    left_ = std::move(left);
    wait();
  }

  Result<void> follow(const Descriptor& network_namespace, const std::string& name) override {
    if (!hears_all_) {
      return std::unexpected(Failure("events of other namespaces are not to be had")
                                 .hint("this needs CAP_NET_BROADCAST"));
    }
    auto id = id_of(requests_.get(), network_namespace);
    if (!id) return std::unexpected(id.error());
    const auto found = find(requests_.get(), *id, 0, name);
    if (!found) return std::unexpected(nl_failure(found.error()).during("{}", name));
    namespace_id_ = *id;
    index_ = found->index;
    return {};
  }

 private:
  using LinkPtr = std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)>;

  NetlinkLink(boost::asio::io_context& context, Socket requests, Socket events, bool hears_all)
      : requests_(std::move(requests)),
        events_(std::move(events)),
        descriptor_(context, nl_socket_get_fd(events_.get())),
        hears_all_(hears_all) {}

  void wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (!error) read_events();
                           });
  }

  void read_events() {
    const bool concerned = any_concerns_us();
    wait();
    if (!concerned) return;
    // An event says only that something has changed. The same index in another namespace is
    // somebody else's, and costs one look.
    if (const auto now = state()) {
      changed_(*now);
    } else {
      left_();
    }
  }

  /// Reads all the events there are. Not by libnl, which takes an event of another namespace, with
  /// its id beside it, for cut short, and leaves it in the socket.
  [[nodiscard]] bool any_concerns_us() const noexcept {
    bool any = false;
    for (;;) {
      alignas(nlmsghdr) std::array<char, 32 * 1024> buffer;
      const ssize_t size =
          ::recv(nl_socket_get_fd(events_.get()), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == ENOBUFS) {  // some were lost: then we look as well
        any = true;
        continue;
      }
      if (size <= 0) return any;
      auto left = static_cast<int>(size);
      for (auto* event = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(event, left);
           event = nlmsg_next(event, &left)) {
        any |= concerns_us(event);
      }
    }
  }

  [[nodiscard]] bool concerns_us(nlmsghdr* event) const noexcept {
    if (event->nlmsg_type != RTM_NEWLINK && event->nlmsg_type != RTM_DELLINK) return false;
    if (!nlmsg_valid_hdr(event, sizeof(ifinfomsg))) return false;
    const auto* const info = static_cast<const ifinfomsg*>(nlmsg_data(event));
    return info->ifi_index == index_ && info->ifi_family == AF_UNSPEC;
  }

  Socket requests_;
  Socket events_;
  boost::asio::posix::stream_descriptor descriptor_;
  const bool hears_all_;  // events of other namespaces, too
  int index_ = 0;
  int namespace_id_ = kHere;
  std::function<void(LinkState)> changed_;
  std::function<void()> left_;
};

}  // namespace

Result<std::unique_ptr<Link>> Link::open(boost::asio::io_context& context,
                                         const std::string& name) {
  auto link = NetlinkLink::open(context);
  if (!link) return std::unexpected(link.error());
  if (auto found = (*link)->find_here(name); !found) return std::unexpected(found.error());
  return std::move(*link);
}

Result<std::unique_ptr<Link>> Link::open_elsewhere(boost::asio::io_context& context,
                                                   const Descriptor& network_namespace,
                                                   const std::string& name) {
  auto link = NetlinkLink::open(context);
  if (!link) return std::unexpected(link.error());
  if (auto found = (*link)->follow(network_namespace, name); !found) {
    return std::unexpected(found.error());
  }
  return std::move(*link);
}

}  // namespace wg::netlink
