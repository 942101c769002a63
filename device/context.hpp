// How the parts of a running interface find each other.
//
// Guarded by: the gate, the tables. A lock or atomics of its own, each of what any thread may use
// at any time. Nothing, the wiring, which is set before anything runs and never changes.
// Lives: with the device that owns it, longer than shards, control pool and peers.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>

#include "device/drop_counters.hpp"
#include "device/index_table.hpp"
#include "device/key_log.hpp"
#include "device/own_traffic.hpp"
#include "device/tables.hpp"
#include "device/timer_wheel.hpp"
#include "tun/tun.hpp"

namespace wg::device {

/// The shard that sends what does not come from the TUN: staged packets.
class StagedSender {
 public:
  virtual ~StagedSender() = default;
  /// Any thread; the work itself runs on a shard.
  virtual void send_staged(PeerPtr peer) = 0;
};

/// Set before anything runs.
struct Wiring {
  tun::Tun& tun;
  boost::asio::io_context& control;  // handshakes and timers
  StagedSender& staged_sender;
  std::unique_ptr<KeyLog> key_log;  // null: none
  std::shared_ptr<spdlog::logger> log;
};

/// Bytes of inner packets that may be staged for all peers together.
inline constexpr std::size_t kStagedBytesMax = 64 * 1024 * 1024;

struct Context {
  Context(conn::Bind& outer, std::size_t workers, Wiring parts)
      : wiring(std::move(parts)), gate(workers, outer), wheel(wiring.control), drops(wiring.log) {}

  const Wiring wiring;

  Gate gate;

  // Any thread.
  IndexTable indices;
  TimerWheel wheel;
  DropCounters drops;
  OwnTraffic own_traffic;
  std::atomic<std::size_t> mtu{1420};
  std::atomic<std::size_t> staged_bytes{0};

  [[nodiscard]] spdlog::logger& log() const noexcept { return *wiring.log; }
};

}  // namespace wg::device
