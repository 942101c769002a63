// Tells our own messages when they come back to us as inner packets: the route to a peer's endpoint
// leads into the tunnel. Each would be sealed and sent, come back longer, and so on for ever, as
// fast as a core can (a default route into the tunnel without a mark does it).
//
// An inner packet is ours if it is UDP from the port that we send from, to the endpoint of one of
// our peers. That costs the packet path one comparison; only what comes from our own port is looked
// for in the table, which holds each endpoint in use and how many peers are reached there.
//
// Runs on: any thread.
// Guarded by: `endpoints_.mutex`, the table. The port is atomic.
#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>

#include "conn/endpoint.hpp"
#include "threads/mutex.hpp"
#include "tun/inner_packet.hpp"

namespace wg::device {

class OwnTraffic {
 public:
  /// The UDP port that the outer end sends from; 0: it has none.
  void set_port(std::uint16_t port) noexcept { port_.store(port, std::memory_order_relaxed); }
  /// A peer is reached at `now` and no more at `before`; either may be unknown.
  void moved(const conn::Endpoint& before, const conn::Endpoint& now);

  [[nodiscard]] bool is_ours(const tun::InnerPacket& packet) const noexcept {
    const std::uint16_t port = port_.load(std::memory_order_relaxed);
    return port != 0 && packet.protocol() == tun::kProtocolUdp && comes_from(packet, port) &&
           goes_to_a_peer(packet);
  }

 private:
  /// Address, of 4 or 16 bytes, and port, as in the packet.
  struct Key {
    std::array<std::byte, 20> bytes{};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };

  [[nodiscard]] static bool comes_from(const tun::InnerPacket& packet, std::uint16_t port) noexcept;
  [[nodiscard]] bool goes_to_a_peer(const tun::InnerPacket& packet) const noexcept;
  [[nodiscard]] static Key key_of(std::span<const std::byte> address,
                                  std::span<const std::byte> port) noexcept;
  [[nodiscard]] static Key key_of(const conn::Endpoint& endpoint) noexcept;

  std::atomic<std::uint16_t> port_{0};
  mutable struct {
    Mutex mutex;
    boost::unordered_flat_map<Key, std::uint32_t, KeyHash> peers WG_GUARDED_BY(mutex);
  } endpoints_;
};

}  // namespace wg::device
