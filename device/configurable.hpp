// The narrow interface through which UAPI sees a device: set it, look at it. One thread at a time.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "device/settings.hpp"
#include "errors/failure.hpp"

namespace wg::device {

class Configurable {
 public:
  virtual ~Configurable() = default;

  /// Applies all of it, or nothing: what can fail (the port, the mark) is tried first.
  [[nodiscard]] virtual Result<void> apply(const Settings& settings) = 0;
  [[nodiscard]] virtual InterfaceState interface_state() const = 0;
  /// Their keys, in the order in which they came. With `peer_state` a listing holds nothing up,
  /// however long it takes.
  [[nodiscard]] virtual std::vector<crypto::PublicKey> peers() const = 0;
  /// None if the peer has gone meanwhile.
  [[nodiscard]] virtual std::optional<PeerState> peer_state(const crypto::PublicKey& key) const = 0;
  /// An endpoint as the outer end understands it; the unexpected value says what is wrong.
  [[nodiscard]] virtual std::expected<conn::Endpoint, std::string> parse_endpoint(
      std::string_view text) const = 0;
};

}  // namespace wg::device
