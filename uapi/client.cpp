#include "uapi/client.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace wg::uapi {

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

Result<void> Client::set(const std::string& lines) {
  const auto answer = exchange("set=1\n" + lines + "\n");
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<std::vector<KeyValue>> Client::exchange(const std::string& request) {
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t size =
        ::send(socket_.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (size < 0) return std::unexpected(Failure::system(errno).during("UAPI"));
    sent += static_cast<std::size_t>(size);
  }
  std::string answer;
  while (!answer.ends_with("\n\n")) {
    std::array<char, 65536> piece;
    const ssize_t size = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (size < 0) return std::unexpected(Failure::system(errno).during("UAPI"));
    if (size == 0) return std::unexpected(Failure("UAPI: the daemon closed the connection"));
    answer.append(piece.data(), static_cast<std::size_t>(size));
  }
  std::vector<KeyValue> lines;
  for (std::size_t at = 0; at + 1 < answer.size();) {
    const std::size_t newline = answer.find('\n', at);
    const std::string line = answer.substr(at, newline - at);
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos)
      return std::unexpected(Failure("UAPI: answered '" + line + "'"));
    lines.push_back({.key = line.substr(0, equals), .value = line.substr(equals + 1)});
    at = newline + 1;
  }
  if (lines.empty() || lines.back().key != "errno") {
    return std::unexpected(Failure("UAPI: an answer without errno"));
  }
  int error = 0;
  const std::string& number = lines.back().value;
  std::from_chars(number.data(), number.data() + number.size(), error);
  if (error != 0) return std::unexpected(Failure::system(std::abs(error)).during("UAPI"));
  lines.pop_back();
  return lines;
}

}  // namespace wg::uapi
