// The inner end: where inner (IP) packets come from and go to. The kernel's TUN for most; other
// backends fit beside it.
//
// A *super-packet* is an IP packet of up to 64 KiB that its sender left uncut: one set of headers
// and the payload of many segments (TSO, USO), or a plain packet. `Offload` says how it is to be
// cut and whether its checksum is still open; it mirrors what `virtio_net_hdr` carries.
//
// One queue for each shard at the most; a queue's calls are made by its shard. Only `write` may be
// made by another shard on its behalf, one call at a time. Link state and MTU are not of this seam:
// whoever owns the interface tells the device.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace wg::tun {

/// The largest IP packet, super-packets included.
inline constexpr std::size_t kSuperPacketBytesMax = 65'535;
/// Room that `read` must be given: a packet, and slack that a backend may use in front of it.
inline constexpr std::size_t kReadRoom = 65'536 + 64;

enum class Cut : std::uint8_t { None, TcpV4, TcpV6, Udp };

struct Offload {
  Cut cut = Cut::None;
  bool checksum_open = false;     // the transport checksum holds the pseudo-header's sum only
  std::uint16_t header_size = 0;  // IP and transport headers; the first segment's payload follows
  std::uint16_t segment_payload = 0;  // payload bytes of each segment but the last
  std::uint16_t checksum_start = 0;   // where the open checksum's coverage begins…
  std::uint16_t checksum_offset = 0;  // …and where from there it is stored
};

struct SuperPacket {
  std::span<std::byte> bytes;
  Offload offload;
};

class Tun {
 public:
  virtual ~Tun() = default;

  [[nodiscard]] virtual std::size_t queues() const noexcept = 0;
  /// Whether `write` takes super-packets (else plain packets only), of TCP and of UDP.
  [[nodiscard]] virtual bool takes_tcp() const noexcept = 0;
  [[nodiscard]] virtual bool takes_udp() const noexcept = 0;

  /// Calls `ready` once, on the queue's executor, when `read` may yield something. One wait at a
  /// time.
  virtual void async_readable(std::size_t queue, std::function<void()> ready) = 0;
  /// The next packet, placed in `room` (kReadRoom bytes at least); none when dry.
  [[nodiscard]] virtual std::optional<SuperPacket> read(std::size_t queue,
                                                        std::span<std::byte> room) noexcept = 0;
  /// Writes one packet, gathered from `pieces`. False if the backend refused it (down, gone, full).
  virtual bool write(std::size_t queue, std::span<const iovec> pieces,
                     const Offload& offload) noexcept = 0;
};

}  // namespace wg::tun
