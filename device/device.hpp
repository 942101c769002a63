// A running interface: its peers and settings, its shards and its control pool.
//
// Threads: the shards (packets), the control pool (handshakes, timers), and the one that owns the
// device and makes all calls of this header (settings, link changes, the end). What the owner
// changes it changes under the gate, in slices, so that a set of 100,000 peers does not hold the
// traffic up.
//
// The device knows neither which inner end nor which outer end it has.
//
// The end, in order: no new work (link down: bind closed, sessions wiped), threads joined, peers
// freed.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstring>
#include <functional>
#include <thread>

#include "device/context.hpp"
#include "device/handshakes.hpp"
#include "device/peer.hpp"
#include "device/shard.hpp"
#include "settings/configurable.hpp"

namespace wg::device {

/// Public keys are random already, unless somebody chose them: the hash is keyed by nothing, but
/// peers are configured by the administrator, never by strangers.
struct PublicKeyHash {
  std::size_t operator()(const crypto::PublicKey& key) const noexcept {
    std::size_t value;
    std::memcpy(&value, key.bytes.data(), sizeof value);
    return value;
  }
};

struct DeviceOptions {
  std::size_t control_threads = 1;
  HelpMode help = HelpMode::Auto;
  std::unique_ptr<KeyLog> key_log;
};

class Device final : public settings::Configurable, private PeerDirectory, private StagedSender {
 public:
  /// `shards`, `tun` and `bind` outlive the device; the shards' threads are started and stopped by
  /// it.
  Device(ShardThreads& shards, tun::Tun& tun, conn::Bind& bind, DeviceOptions options,
         std::shared_ptr<spdlog::logger> log);
  ~Device() override;

  /// Starts the threads; the interface is down until `set_up`.
  void start();
  void stop();

  /// The interface goes up: sockets are opened, persistent keepalives begin. A failure leaves it
  /// down.
  [[nodiscard]] Result<void> set_up();
  void set_down();
  void set_mtu(std::size_t mtu);

  [[nodiscard]] Result<void> apply(const settings::Settings& settings) override;
  [[nodiscard]] settings::InterfaceState interface_state() const override;
  [[nodiscard]] std::vector<crypto::PublicKey> peers() const override;
  [[nodiscard]] std::optional<settings::PeerState> peer_state(
      const crypto::PublicKey& key) const override;
  [[nodiscard]] std::optional<std::string> endpoint_error(std::string_view text) const override;
  [[nodiscard]] const DropCounters& drops() const noexcept { return context_.drops; }

 private:
  /// Peers changed in one go under the gate.
  static constexpr std::size_t kPeersPerSlice = 256;

  [[nodiscard]] PeerPtr find_peer(const crypto::PublicKey& key) const override;
  void send_staged(PeerPtr peer) override;

  [[nodiscard]] Result<void> check_endpoints(const settings::Settings& settings) const;
  [[nodiscard]] Result<void> apply_port_and_mark(const settings::Settings& settings);
  void apply_private_key(const crypto::PrivateKey& key);
  void apply_peer(const settings::PeerSettings& settings);
  void call_if_waiting(Peer& peer);
  void apply_allowed_ips(Peer& peer, const settings::PeerSettings& settings);
  void end_peer(Peer& peer);
  void remove_peer(const crypto::PublicKey& key);
  void remove_all_peers();
  void forget_sources();

  ShardThreads& shard_threads_;
  boost::asio::io_context control_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> control_work_;
  Context context_;
  Handshakes handshakes_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::size_t control_threads_;
  std::vector<std::thread> control_pool_;

  // The owner's, changed under the gate where workers look.
  boost::unordered_flat_map<crypto::PublicKey, PeerPtr, PublicKeyHash> peers_;
  std::uint64_t next_sequence_ = 0;
  std::uint16_t listen_port_ = 0;  // as set, or as taken at random when the interface came up
  std::uint32_t fwmark_ = 0;
};

}  // namespace wg::device
