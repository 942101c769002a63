#include "netlink/routes.hpp"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>

#include "netlink/socket.hpp"

namespace wg::netlink {
namespace {

using Clock = std::chrono::steady_clock;
using boost::asio::posix::stream_descriptor;

constexpr std::chrono::milliseconds kPauseMin{20};

class NetlinkRoutes final : public Routes {
 public:
  NetlinkRoutes(boost::asio::io_context& context, Socket requests, Socket events)
      : requests_(std::move(requests)),
        events_(std::move(events)),
        descriptor_(context, nl_socket_get_fd(events_.get())),
        timer_(context) {}
  ~NetlinkRoutes() override { descriptor_.release(); }

  void watch(std::function<void()> changed) override {
    changed_ = std::move(changed);
    nl_socket_disable_seq_check(events_.get());
    wait();
  }

  std::expected<unsigned, NoWay> way_out(std::span<const std::byte> destination,
                                         std::span<const std::byte> source,
                                         std::uint32_t mark) override {
    const Message request(nlmsg_alloc_simple(RTM_GETROUTE, 0), &nlmsg_free);
    rtmsg header{};
    header.rtm_family = destination.size() == 4 ? AF_INET : AF_INET6;
    header.rtm_dst_len = static_cast<unsigned char>(8 * destination.size());
    header.rtm_src_len = static_cast<unsigned char>(8 * source.size());
    if (!request || nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO) < 0) {
      return std::unexpected(NoWay::Unreachable);
    }
    nla_put(request.get(), RTA_DST, static_cast<int>(destination.size()), destination.data());
    nla_put(request.get(), RTA_SRC, static_cast<int>(source.size()), source.data());
    if (mark != 0) nla_put_u32(request.get(), RTA_MARK, mark);
    std::optional<unsigned> interface;
    const int error = ask(requests_.get(), request.get(), [&](nlmsghdr* answer) {
      if (nlattr* const out = nlmsg_find_attr(answer, sizeof(rtmsg), RTA_OIF)) {
        interface = nla_get_u32(out);
      }
    });
    if (error == -NLE_INVAL) return std::unexpected(NoWay::SourceUnusable);
    if (error < 0 || !interface) return std::unexpected(NoWay::Unreachable);
    return *interface;
  }

 private:
  void wait() {
    descriptor_.async_wait(stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (error) return;
                             // What they say does not matter, nor whether some were lost.
                             (void)nl_recvmsgs_default(events_.get());
                             tell();
                             wait();
                           });
  }

  void tell() {
    if (waiting_) return;
    const auto begin = Clock::now();
    if (begin >= not_before_) return tell_now();
    waiting_ = true;
    timer_.expires_at(not_before_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      waiting_ = false;
      if (!error) tell_now();
    });
  }

  void tell_now() {
    const auto begin = Clock::now();
    changed_();
    const auto end = Clock::now();
    not_before_ = end + std::max<Clock::duration>(10 * (end - begin), kPauseMin);
  }

  Socket requests_;
  Socket events_;
  stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  std::function<void()> changed_;
  Clock::time_point not_before_{};
  bool waiting_ = false;
};

}  // namespace

Result<std::unique_ptr<Routes>> Routes::open(boost::asio::io_context& context) {
  auto events = connect();
  if (!events) return std::unexpected(events.error());
  for (const int group : {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
                          RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}) {
    if (const int error = nl_socket_add_membership(events->get(), group); error < 0) {
      return std::unexpected(nl_failure(error).during("watching routes"));
    }
  }
  nl_socket_set_nonblocking(events->get());
  auto requests = connect();
  if (!requests) return std::unexpected(requests.error());
  return std::make_unique<NetlinkRoutes>(context, std::move(*requests), std::move(*events));
}

}  // namespace wg::netlink
