#include "uapi/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

namespace wg::uapi {

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

}  // namespace

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected(Failure::system(ENAMETOOLONG).during("{}", path));
  }
  path.copy(address.sun_path, path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(
        Failure::system(errno).during("{}", path).hint("is wireguard-cpp running for it?"));
  }
  return Client(std::move(socket));
}

Result<DeviceState> Client::state() {
  const auto answer = exchange("get=1\n\n");
  if (!answer) return std::unexpected(answer.error());
  const auto body = body_of(answer->view());
  if (!body) return std::unexpected(body.error());
  return parse_state(*body);
}

std::optional<settings::Vitals> Client::vitals() {
  const auto answer = exchange("status=1\n\n");
  if (!answer) return std::nullopt;
  const auto body = body_of(answer->view());
  if (!body) return std::nullopt;
  auto vitals = parse_vitals(*body);
  return vitals ? std::optional(std::move(*vitals)) : std::nullopt;
}

Result<void> Client::set(std::string_view lines) {
  crypto::SecretText request("set=1\n");
  request.append(lines).push_back('\n');
  const auto answer = exchange(request.view());
  if (!answer) return std::unexpected(answer.error());
  const auto body = body_of(answer->view());
  if (!body) return std::unexpected(body.error());
  return {};
}

Result<crypto::SecretText> Client::exchange(std::string_view request) {
  while (!request.empty()) {
    const ssize_t size = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (size < 0) return std::unexpected(Failure::system(errno).during("UAPI"));
    request.remove_prefix(static_cast<std::size_t>(size));
  }
  crypto::SecretText answer;
  while (!answer.view().ends_with("\n\n")) {
    const std::size_t before = answer.size();
    const auto room = answer.grow(kPieceBytes);
    const ssize_t size = ::recv(socket_.get(), room.data(), room.size(), 0);
    if (size < 0) return std::unexpected(Failure::system(errno).during("UAPI"));
    if (size == 0) return std::unexpected(Failure("UAPI: the daemon closed the connection"));
    answer.cut(before + static_cast<std::size_t>(size));
  }
  return answer;
}

}  // namespace wg::uapi
