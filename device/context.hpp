// What the parts of a running interface share. Owned by the device; outlives shards, control pool
// and peers.
#pragma once

#include <spdlog/logger.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include "conn/bind.hpp"
#include "device/allowed_ips.hpp"
#include "device/batch_gate.hpp"
#include "device/drop_counters.hpp"
#include "device/index_table.hpp"
#include "device/key_log.hpp"
#include "device/timer_wheel.hpp"
#include "protocol/cookie.hpp"
#include "protocol/handshake.hpp"
#include "tun/tun.hpp"

namespace wg::device {

/// Our static key and what follows from it. Replaced as a whole, under the gate.
struct Identity {
  explicit Identity(const crypto::PrivateKey& key) : keys(key), cookies(keys.public_key) {}
  protocol::LocalIdentity keys;
  protocol::CookieChecker cookies;
};

/// The shard that sends what does not come from the TUN: staged packets.
class StagedSender {
 public:
  virtual ~StagedSender() = default;
  /// Any thread; the work itself runs on a shard.
  virtual void send_staged(std::shared_ptr<Peer> peer) = 0;
};

struct Context {
  Context(conn::Bind& outer, tun::Tun& inner, boost::asio::io_context& control_context,
          std::size_t workers, std::shared_ptr<spdlog::logger> logger)
      : bind(outer),
        tun(inner),
        control(control_context),
        gate(workers),
        wheel(control_context),
        drops(logger),
        log(std::move(logger)) {}

  conn::Bind& bind;
  tun::Tun& tun;
  boost::asio::io_context& control;  // handshakes and timers
  BatchGate gate;

  // Changed under `gate.exclusive()`, looked at inside a pass.
  AllowedIps allowed_ips;
  std::unique_ptr<Identity> identity;  // null: no private key
  StagedSender* staged_sender = nullptr;
  bool up = false;

  // Any thread.
  IndexTable indices;
  TimerWheel wheel;
  DropCounters drops;
  std::atomic<std::size_t> mtu{1420};
  std::unique_ptr<KeyLog> key_log;  // null: none; set before anything runs
  std::shared_ptr<spdlog::logger> log;
};

/// The gate's slot of the control pool thread that calls this.
[[nodiscard]] std::size_t control_worker() noexcept;
void set_control_worker(std::size_t worker) noexcept;

}  // namespace wg::device
