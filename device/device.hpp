// A running interface: its peers and settings, its shards and its control pool.
//
// Its threads are the shards (packets) and the control pool (handshakes, timers). What the owner
// changes it changes under the gate; what concerns many peers, in slices, so that a set over
// 100,000 of them does not hold the traffic up.
//
// The link is up as soon as it is said to be (`set_up`); the interface is up when the bind is open,
// too. If that fails, as when the port is taken, the owner tries again, and a set of another port
// does so at once.
//
// The device knows neither which inner end nor which outer end it has.
//
// Runs on: the thread that owns the device, which makes all calls of this header (settings, link
// changes, the end).
// Lives: until `stop`, in this order: no new work (link down: bind closed, sessions wiped), threads
// joined, peers freed.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "device/context.hpp"
#include "device/handshakes.hpp"
#include "device/peer.hpp"
#include "device/shard.hpp"
#include "settings/configurable.hpp"

namespace wg::device {

struct DeviceOptions {
  std::size_t control_threads = 1;
  PipelineMode pipeline = PipelineMode::Auto;
  std::unique_ptr<KeyLog> key_log;
  settings::Vitals vitals = {};  // without the drops
};

class Device final : public settings::Configurable, private StagedSender {
 public:
  /// `shards`, `tun` and `bind` outlive the device; the shards' threads are started and stopped by
  /// it.
  Device(ShardThreads& shards, tun::Tun& tun, conn::Bind& bind, DeviceOptions options,
         std::shared_ptr<spdlog::logger> log);
  ~Device() override;

  /// Starts the threads; the interface is down until `set_up`.
  void start();
  void stop();

  /// The link is up: sockets are opened, and what waits for a handshake or has persistent keepalive
  /// begins one. A failure leaves the interface down for now, to be tried again.
  [[nodiscard]] Result<void> set_up();
  /// Whether the link is up and the interface is not.
  [[nodiscard]] bool wants_up() const noexcept { return link_up_ && !up(); }
  void set_down();
  void set_mtu(std::size_t mtu);
  /// Routes or addresses have changed: the source addresses that no longer lead to their peers by
  /// the way they came (`still_right` says no) are forgotten.
  void recheck_sources(const std::function<bool(const conn::Endpoint&)>& still_right);

  [[nodiscard]] Result<void> apply(const settings::Settings& settings) override;
  [[nodiscard]] settings::InterfaceState interface_state() const override;
  [[nodiscard]] std::vector<crypto::PublicKey> peers() const override;
  [[nodiscard]] std::optional<settings::PeerState> peer_state(
      const crypto::PublicKey& key) const override;
  [[nodiscard]] settings::Vitals vitals() const override;
  [[nodiscard]] std::optional<std::string> endpoint_error(std::string_view text) const override;
  /// Packets and messages that were not passed on, of all the time since the start.
  [[nodiscard]] std::uint64_t dropped(DropReason reason) const noexcept;
  [[nodiscard]] std::uint32_t fwmark() const noexcept { return fwmark_; }

 private:
  void send_staged(PeerPtr peer) override;

  [[nodiscard]] const Tables& view() const noexcept { return context_.gate.owners_view(); }
  [[nodiscard]] bool up() const noexcept { return view().up; }
  [[nodiscard]] Result<void> open_bind(Tables& tables, std::uint16_t port);
  void bind_opened();
  /// Of each peer: the endpoint that it is set to; unknown: none.
  [[nodiscard]] Result<std::vector<conn::Endpoint>> parse_endpoints(
      const settings::Settings& settings) const;
  [[nodiscard]] Result<void> apply_port_and_mark(const settings::Settings& settings);
  void apply_private_key(const crypto::PrivateKey& key);
  /// The peer, if something of it may have stood in the way of a handshake until now.
  [[nodiscard]] PeerPtr apply_peer(Tables& tables, const settings::PeerSettings& settings,
                                   const conn::Endpoint& endpoint);
  static void apply_allowed_ips(Tables& tables, Peer& peer, const settings::PeerSettings& settings);
  void end_peer(Tables& tables, Peer& peer);
  void remove_peer(Tables& tables, const crypto::PublicKey& key);
  void remove_all_peers();
  void retry_handshakes();
  void forget_sources();

  ShardThreads& shard_threads_;
  boost::asio::io_context control_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> control_work_;
  Context context_;
  Handshakes handshakes_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::size_t control_threads_;
  const settings::Vitals vitals_;
  std::vector<std::thread> control_pool_;

  // The owner's.
  std::uint64_t next_sequence_ = 0;
  std::uint16_t listen_port_ = 0;  // as set, or as taken at random when the interface came up
  std::uint32_t fwmark_ = 0;
  bool link_up_ = false;
  bool stopped_ = false;
};

}  // namespace wg::device
