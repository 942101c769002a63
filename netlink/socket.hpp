// A netlink socket of rtnetlink, and questions asked over one. What libnl-route has calls for is
// asked through those; this is for the few questions that it has none for.
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include <functional>
#include <memory>

#include "errors/failure.hpp"

namespace wg::netlink {

using Socket = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;
using Message = std::unique_ptr<nl_msg, decltype(&nlmsg_free)>;

/// Of libnl's (negative) errors.
[[nodiscard]] Failure nl_failure(int error);

/// In this thread's network namespace.
[[nodiscard]] Result<Socket> connect();

/// Sends `request` and hands its answer to `take`. 0, or one of libnl's (negative) errors.
[[nodiscard]] int ask(nl_sock* socket, nl_msg* request, const std::function<void(nlmsghdr*)>& take);

}  // namespace wg::netlink
