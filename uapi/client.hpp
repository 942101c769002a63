// A client of the UAPI socket, for our own tools and tests. Blocking; one operation at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/secret_text.hpp"
#include "errors/descriptor.hpp"
#include "errors/failure.hpp"

namespace wg::uapi {

/// A line of an answer.
struct KeyValue {
  std::string key;
  crypto::SecretText value;
};

class Client {
 public:
  [[nodiscard]] static Result<Client> connect(const std::string& path);

  /// The lines of `get`, without `errno`.
  [[nodiscard]] Result<std::vector<KeyValue>> get();
  /// `lines`: each with its newline. Fails with the errno that the daemon answers.
  [[nodiscard]] Result<void> set(std::string_view lines);

 private:
  explicit Client(Descriptor socket) noexcept : socket_(std::move(socket)) {}

  [[nodiscard]] Result<std::vector<KeyValue>> exchange(std::string_view request);

  Descriptor socket_;
};

}  // namespace wg::uapi
