// A client of the UAPI socket, for our own tools and tests. Blocking.
//
// Runs on: any thread, one operation at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "crypto/secret_text.hpp"
#include "errors/descriptor.hpp"
#include "errors/failure.hpp"
#include "uapi/state_parser.hpp"

namespace wg::uapi {

class Client {
 public:
  [[nodiscard]] static Result<Client> connect(const std::string& path);

  /// What `get` answers.
  [[nodiscard]] Result<DeviceState> state();
  /// What only our own daemons answer; none: another WireGuard's, which closes the connection.
  [[nodiscard]] std::optional<settings::Vitals> vitals();
  /// `lines`: each with its newline. Fails with the errno that the daemon answers.
  [[nodiscard]] Result<void> set(std::string_view lines);

 private:
  explicit Client(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  [[nodiscard]] Result<crypto::SecretText> exchange(std::string_view request);

  Descriptor socket_;
};

}  // namespace wg::uapi
