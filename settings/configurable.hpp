// The narrow interface through which a front end sees a running device: set it, look at it. One
// thread at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "errors/failure.hpp"
#include "settings/settings.hpp"

namespace wg::settings {

class Configurable {
 public:
  virtual ~Configurable() = default;

  /// Applies all of it, or nothing: what can fail (endpoints, the port, the mark) is tried first.
  /// The failure's code is what UAPI answers.
  [[nodiscard]] virtual Result<void> apply(const Settings& settings) = 0;
  [[nodiscard]] virtual InterfaceState interface_state() const = 0;
  /// Their keys, in the order in which they came. With `peer_state` a listing holds nothing up,
  /// however long it takes.
  [[nodiscard]] virtual std::vector<crypto::PublicKey> peers() const = 0;
  /// None if the peer has gone meanwhile.
  [[nodiscard]] virtual std::optional<PeerState> peer_state(const crypto::PublicKey& key) const = 0;
  [[nodiscard]] virtual Vitals vitals() const = 0;
  /// What is wrong with the text of an endpoint, without repeating it; none if the outer end can
  /// reach it.
  [[nodiscard]] virtual std::optional<std::string> endpoint_error(std::string_view text) const = 0;
};

}  // namespace wg::settings
