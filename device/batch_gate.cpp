#include "device/batch_gate.hpp"

namespace wg::device {

GateSeat& this_threads_seat() noexcept {
  thread_local GateSeat seat;
  return seat;
}

}  // namespace wg::device
