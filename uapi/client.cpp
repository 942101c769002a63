#include "uapi/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace wg::uapi {

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;

/// An answer's lines; the last of them is its errno.
Result<std::vector<KeyValue>> parse(std::string_view answer) {
  std::vector<KeyValue> lines;
  while (answer.size() > 1) {  // up to the empty line
    const std::size_t newline = answer.find('\n');
    const std::string_view line = answer.substr(0, newline);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return std::unexpected(Failure("UAPI: an answer with a line without '='"));
    }
    lines.push_back({.key = std::string(line.substr(0, equals)),
                     .value = crypto::SecretText(line.substr(equals + 1))});
    answer.remove_prefix(newline + 1);
  }
  if (lines.empty() || lines.back().key != "errno") {
    return std::unexpected(Failure("UAPI: an answer without errno"));
  }
  int error = 0;
  const std::string_view number = lines.back().value.view();
  std::from_chars(number.data(), number.data() + number.size(), error);
  if (error != 0) return std::unexpected(Failure::system(std::abs(error)).during("UAPI"));
  lines.pop_back();
  return lines;
}

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

Result<std::vector<KeyValue>> Client::get() {
  return exchange("get=1\n\n");
}

Result<void> Client::set(std::string_view lines) {
  crypto::SecretText request("set=1\n");
  request.append(lines).push_back('\n');
  const auto answer = exchange(request.view());
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<std::vector<KeyValue>> Client::exchange(std::string_view request) {
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
  return parse(answer.view());
}

}  // namespace wg::uapi
