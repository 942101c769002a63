#include "netlink/host.hpp"

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "netlink/socket.hpp"

namespace wg::netlink {
namespace {

constexpr int kAdd = NLM_F_CREATE | NLM_F_EXCL;

int family_of(bool v6) noexcept {
  return v6 ? AF_INET6 : AF_INET;
}

template <class Header>
Message message(int type, int flags, const Header& header) {
  Message made(nlmsg_alloc_simple(type, flags), &nlmsg_free);
  if (made) nlmsg_append(made.get(), const_cast<Header*>(&header), sizeof header, NLMSG_ALIGNTO);
  return made;
}

void put(nl_msg* message, int attribute, std::span<const std::byte> bytes) {
  nla_put(message, attribute, static_cast<int>(bytes.size()), bytes.data());
}

template <class Header>
const Header* header_of(nlmsghdr* answer, int type) {
  if (answer->nlmsg_type != type || !nlmsg_valid_hdr(answer, sizeof(Header))) return nullptr;
  return static_cast<const Header*>(nlmsg_data(answer));
}

std::optional<std::uint32_t> number_of(nlmsghdr* answer, int header_size, int attribute) {
  nlattr* const found = nlmsg_find_attr(answer, header_size, attribute);
  if (found == nullptr || nla_len(found) < 4) return std::nullopt;
  return nla_get_u32(found);
}

class NetlinkHost final : public Host {
 public:
  explicit NetlinkHost(Socket socket) : socket_(std::move(socket)) {}

  Result<std::optional<HostLink>> link(const std::string& name) override {
    const Message request = message(RTM_GETLINK, 0, ifinfomsg{});
    nla_put_string(request.get(), IFLA_IFNAME, name.c_str());
    return find_link(request);
  }
  Result<std::optional<HostLink>> link(int index) override {
    ifinfomsg header{};
    header.ifi_index = index;
    return find_link(message(RTM_GETLINK, 0, header));
  }

  Result<void> bring_up(int index, unsigned mtu) override {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_flags = header.ifi_change = IFF_UP;
    const Message request = message(RTM_NEWLINK, 0, header);
    nla_put_u32(request.get(), IFLA_MTU, mtu);
    return change(request);
  }

  Result<void> delete_link(int index) override {
    ifinfomsg header{};
    header.ifi_index = index;
    return change(message(RTM_DELLINK, 0, header));
  }

  Result<void> add_address(int index, const Network& address) override {
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(family_of(address.v6));
    header.ifa_prefixlen = address.length;
    header.ifa_index = static_cast<unsigned>(index);
    const Message request = message(RTM_NEWADDR, kAdd, header);
    put(request.get(), IFA_LOCAL, address.bytes());
    put(request.get(), IFA_ADDRESS, address.bytes());
    return change(request);
  }

  Result<void> add_route(int index, const Network& to, std::uint32_t table) override {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(family_of(to.v6));
    header.rtm_dst_len = to.length;
    header.rtm_table = static_cast<unsigned char>(table < 256 ? table : RT_TABLE_UNSPEC);
    header.rtm_protocol = RTPROT_BOOT;
    header.rtm_scope = to.v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    header.rtm_type = RTN_UNICAST;
    const Message request = message(RTM_NEWROUTE, kAdd, header);
    if (to.length > 0) put(request.get(), RTA_DST, to.bytes());
    nla_put_u32(request.get(), RTA_OIF, static_cast<std::uint32_t>(index));
    if (table >= 256) nla_put_u32(request.get(), RTA_TABLE, table);
    return change(request);
  }

  Result<std::vector<Route>> routes(bool v6) override {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(family_of(v6));
    std::vector<Route> routes;
    const int error =
        ask(socket_.get(), message(RTM_GETROUTE, NLM_F_DUMP, header).get(), [&](nlmsghdr* answer) {
          const auto* const route = header_of<rtmsg>(answer, RTM_NEWROUTE);
          if (route == nullptr || route->rtm_table == RT_TABLE_LOCAL ||
              (route->rtm_flags & RTM_F_CLONED) != 0) {
            return;
          }
          routes.push_back(route_of(answer, *route));
        });
    if (error < 0) return std::unexpected(nl_failure(error).during("looking at routes"));
    return routes;
  }

  Result<Way> way_to(const Network& address) override {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(family_of(address.v6));
    header.rtm_dst_len = address.v6 ? 128 : 32;
    const Message request = message(RTM_GETROUTE, 0, header);
    put(request.get(), RTA_DST, address.bytes());
    Way way;
    const int error = ask(socket_.get(), request.get(), [&](nlmsghdr* answer) {
      const auto* const route = header_of<rtmsg>(answer, RTM_NEWROUTE);
      if (route == nullptr) return;
      const Route found = route_of(answer, *route);
      way = {.interface = found.interface, .mtu = found.mtu};
    });
    if (error < 0) return std::unexpected(nl_failure(error));
    return way;
  }

  Result<std::vector<Rule>> rules(bool v6) override {
    fib_rule_hdr header{};
    header.family = static_cast<std::uint8_t>(family_of(v6));
    std::vector<Rule> rules;
    const int error =
        ask(socket_.get(), message(RTM_GETRULE, NLM_F_DUMP, header).get(), [&](nlmsghdr* answer) {
          const auto* const found = header_of<fib_rule_hdr>(answer, RTM_NEWRULE);
          if (found == nullptr || found->family != header.family) return;
          const auto number = [&](int attribute) {
            return number_of(answer, sizeof(fib_rule_hdr), attribute);
          };
          rules.push_back({.v6 = v6,
                           .priority = number(FRA_PRIORITY).value_or(0),
                           .table = number(FRA_TABLE).value_or(found->table),
                           .mark = number(FRA_FWMARK),
                           .inverted = (found->flags & FIB_RULE_INVERT) != 0,
                           .suppress_prefix_length = suppressed(number(FRA_SUPPRESS_PREFIXLEN))});
        });
    if (error < 0) return std::unexpected(nl_failure(error).during("looking at rules"));
    return rules;
  }

  Result<void> add_rule(const Rule& rule) override {
    return change(rule_message(RTM_NEWRULE, kAdd, rule));
  }

  Result<void> delete_rule(const Rule& rule) override {
    const int error = tell(rule_message(RTM_DELRULE, 0, rule));
    if (error >= 0 || error == -NLE_OBJ_NOTFOUND) return {};
    return std::unexpected(nl_failure(error));
  }

 private:
  /// The kernel says "none" as a number of all ones.
  static std::optional<std::uint32_t> suppressed(std::optional<std::uint32_t> length) noexcept {
    return length == UINT32_MAX ? std::nullopt : length;
  }

  static Route route_of(nlmsghdr* answer, const rtmsg& header) {
    Route route{.to = {.v6 = header.rtm_family == AF_INET6, .length = header.rtm_dst_len},
                .interface = 0,
                .table = header.rtm_table,
                .mtu = std::nullopt};
    if (nlattr* const to = nlmsg_find_attr(answer, sizeof(rtmsg), RTA_DST)) {
      std::memcpy(route.to.address.data(), nla_data(to),
                  std::min<std::size_t>(16, static_cast<std::size_t>(nla_len(to))));
    }
    const auto interface = number_of(answer, sizeof(rtmsg), RTA_OIF);
    if (interface) route.interface = static_cast<int>(*interface);
    if (const auto table = number_of(answer, sizeof(rtmsg), RTA_TABLE)) route.table = *table;
    if (nlattr* const metrics = nlmsg_find_attr(answer, sizeof(rtmsg), RTA_METRICS)) {
      nlattr* const mtu =
          nla_find(static_cast<nlattr*>(nla_data(metrics)), nla_len(metrics), RTAX_MTU);
      if (mtu != nullptr && nla_len(mtu) >= 4) route.mtu = nla_get_u32(mtu);
    }
    return route;
  }

  static Message rule_message(int type, int flags, const Rule& rule) {
    fib_rule_hdr header{};
    header.family = static_cast<std::uint8_t>(family_of(rule.v6));
    header.action = FR_ACT_TO_TBL;
    header.table = static_cast<std::uint8_t>(rule.table < 256 ? rule.table : RT_TABLE_UNSPEC);
    header.flags = rule.inverted ? FIB_RULE_INVERT : 0;
    Message request = message(type, flags, header);
    nla_put_u32(request.get(), FRA_PRIORITY, rule.priority);
    nla_put_u32(request.get(), FRA_TABLE, rule.table);
    if (rule.mark) nla_put_u32(request.get(), FRA_FWMARK, *rule.mark);
    if (rule.suppress_prefix_length) {
      nla_put_u32(request.get(), FRA_SUPPRESS_PREFIXLEN, *rule.suppress_prefix_length);
    }
    return request;
  }

  Result<std::optional<HostLink>> find_link(const Message& request) {
    std::optional<HostLink> found;
    const int error = ask(socket_.get(), request.get(), [&](nlmsghdr* answer) {
      const auto* const info = header_of<ifinfomsg>(answer, RTM_NEWLINK);
      if (info == nullptr) return;
      found = HostLink{.index = info->ifi_index,
                       .mtu = number_of(answer, sizeof(ifinfomsg), IFLA_MTU).value_or(0),
                       .up = (info->ifi_flags & IFF_UP) != 0};
    });
    if (error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND) return std::nullopt;
    if (error < 0) return std::unexpected(nl_failure(error));
    return found;
  }

  [[nodiscard]] int tell(const Message& request) {
    if (!request) return -NLE_NOMEM;
    return ask(socket_.get(), request.get(), [](nlmsghdr*) {});
  }
  Result<void> change(const Message& request) {
    if (const int error = tell(request); error < 0) return std::unexpected(nl_failure(error));
    return {};
  }

  Socket socket_;
};

}  // namespace

Network Network::shortened(std::uint8_t to) const noexcept {
  Network network = *this;
  network.length = std::min(length, to);
  for (std::size_t i = 0; i < network.address.size(); i++) {
    const int covered = std::clamp(network.length - static_cast<int>(8 * i), 0, 8);
    network.address[i] &= static_cast<std::byte>(0xff00U >> covered);
  }
  return network;
}

std::uint32_t next_priority(const std::vector<Rule>& rules) noexcept {
  if (rules.size() < 2 || rules[1].priority == 0) return 0;
  return rules[1].priority - 1;
}

Result<std::unique_ptr<Host>> Host::open() {
  auto socket = connect();
  if (!socket) return std::unexpected(socket.error());
  return std::make_unique<NetlinkHost>(std::move(*socket));
}

}  // namespace wg::netlink
