// Going to the background, so that the caller can rely on what follows: the parent stays until the
// child says that interface and socket are there, and passes the child's failure on.
//
// The child leads a session of its own (no controlling terminal), works in `/`, and once it is
// ready has /dev/null for descriptors 0–2. Until then its errors go to the caller's stderr.
//
// Runs on: the main thread; `enter` before any other exists.
#pragma once

#include <vector>

#include "errors/descriptor.hpp"
#include "errors/failure.hpp"

namespace wg::daemon {

/// Opens those of the descriptors 0–2 that the caller has closed, to /dev/null. To be called before
/// anything else is opened: what takes one of these numbers is overwritten when the daemon lets go
/// of the terminal.
void open_standard_descriptors() noexcept;

class Background {
 public:
  /// Forks. Returns in the child only; the parent exits, with 0 when the child is ready, with its
  /// code if it fails. Descriptors above 2 other than `keep` are closed in the child.
  [[nodiscard]] static Result<Background> enter(std::vector<int> keep);

  /// Lets the parent go, and lets go of the caller's terminal.
  void ready();

 private:
  explicit Background(Descriptor pipe) noexcept : pipe_(std::move(pipe)) {}
  Descriptor pipe_;
};

}  // namespace wg::daemon
