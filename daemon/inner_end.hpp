// An inner end's life: what packets come from and go to (tun/tun.hpp), and what its owner does when
// it comes up, changes its MTU, or goes. The kernel's interface is one of several.
//
// A further one implements this and `tun::Tun`, and gets its place in `daemon/ends.cpp`. It may use
// netlink/ and what lies in tun/; the device behind it it never sees.
//
// Runs on: the main thread; the handlers too.
#pragma once

#include <functional>
#include <string>

#include "errors/failure.hpp"
#include "tun/tun.hpp"

namespace wg::daemon {

class InnerEnd {
 public:
  struct Handlers {
    std::function<void(std::size_t mtu)> mtu;
    std::function<void()> up;
    std::function<void()> down;
    /// It is gone for good, for the reason given; nothing is called after this.
    std::function<void(const char* why)> ended;
  };

  virtual ~InnerEnd() = default;

  [[nodiscard]] virtual tun::Tun& tun() noexcept = 0;
  /// As the user named it; names the UAPI socket.
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Tells how it is now, and then each change. What takes rights has been done when it was made.
  [[nodiscard]] virtual Result<void> follow(Handlers handlers) = 0;
};

}  // namespace wg::daemon
