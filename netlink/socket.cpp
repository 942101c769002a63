#include "netlink/socket.hpp"

#include <cerrno>

namespace wg::netlink {

Failure nl_failure(int error) {
  const Failure failure(std::string("netlink: ") + nl_geterror(error));
  if (error == -NLE_PERM) return failure.hint("this needs CAP_NET_ADMIN");
  return failure;
}

Result<Socket> connect() {
  Socket socket(nl_socket_alloc(), &nl_socket_free);
  if (!socket) return std::unexpected(Failure::system(ENOMEM));
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
    return std::unexpected(nl_failure(error));
  }
  return socket;
}

namespace {

struct Answer {
  const std::function<void(nlmsghdr*)>& take;
  bool acknowledged = false;
};

int on_message(nl_msg* message, void* answer) {
  static_cast<Answer*>(answer)->take(nlmsg_hdr(message));
  return NL_OK;
}

int on_acknowledgement(nl_msg*, void* answer) {
  static_cast<Answer*>(answer)->acknowledged = true;
  return NL_STOP;
}

}  // namespace

int ask(nl_sock* socket, nl_msg* request, const std::function<void(nlmsghdr*)>& take) {
  if (const int sent = nl_send_auto(socket, request); sent < 0) return sent;
  Answer answer{.take = take};
  const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> handlers(nl_cb_clone(nl_socket_get_cb(socket)),
                                                              &nl_cb_put);
  nl_cb_set(handlers.get(), NL_CB_VALID, NL_CB_CUSTOM, on_message, &answer);
  nl_cb_set(handlers.get(), NL_CB_ACK, NL_CB_CUSTOM, on_acknowledgement, &answer);
  nl_cb_set(handlers.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_acknowledgement, &answer);  // of a dump
  // A failure comes in the place of the acknowledgement.
  while (!answer.acknowledged) {
    if (const int error = nl_recvmsgs(socket, handlers.get()); error < 0) return error;
  }
  return 0;
}

}  // namespace wg::netlink
