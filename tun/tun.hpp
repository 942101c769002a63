// The inner end: where inner (IP) packets come from and go to. The kernel's TUN for most; other
// backends fit beside it.
//
// A *super-packet* is an IP packet of up to 64 KiB that its sender left uncut: one set of headers
// and the payload of many segments (TSO, USO), or a plain packet. `Offload` says how it is to be
// cut and whether its checksum is still open; it mirrors what `virtio_net_hdr` carries.
//
// Packets come and go in batches. One queue for each shard at the most. Link state and MTU are not
// of this seam: whoever owns the interface tells the device.
//
// Runs on: each queue's shard; `write` perhaps on another one on its behalf.
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

/// In one piece, or in several where the backend has it so (buffers of a ring, payload beside
/// headers).
struct SuperPacket {
  std::span<std::byte> bytes;        // its beginning; of one that is to be cut, all headers
  std::span<const iovec> more = {};  // what follows, in any pieces
  Offload offload;

  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t all = bytes.size();
    for (const iovec& piece : more) all += piece.iov_len;
    return all;
  }
};

/// A packet or super-packet to be written, gathered from where its pieces lie.
struct Gathered {
  std::span<const iovec> pieces;
  Offload offload;
  std::size_t packets = 1;  // inner packets that it holds
};

/// What an inner end can do.
struct Properties {
  std::size_t queues = 1;
  /// Whether `write` takes super-packets (else plain packets only), of TCP and of UDP.
  bool takes_tcp = false;
  bool takes_udp = false;
  /// Whether a queue may be written to by another shard than its own, one call at a time.
  bool any_thread_writes = false;
};

/// What one `read` has yielded.
struct ReadBatch {
  std::size_t packets = 0;
  bool dry = false;  // there is no more for now: wait
};

/// What became of a `write`.
struct Written {
  std::size_t packets = 0;  // the first ones, which were taken
  int error = 0;            // why the next one was not: an errno, if there is a next one
};

class Tun {
 public:
  virtual ~Tun() = default;

  [[nodiscard]] virtual const Properties& properties() const noexcept = 0;

  /// Calls `ready` once, on the queue's executor, when `read` may yield something. One wait at a
  /// time.
  virtual void async_readable(std::size_t queue, std::function<void()> ready) = 0;
  /// The next packets, as many as `packets` and the room hold, and one at least unless it is dry:
  /// placed in `room` (kReadRoom bytes at least), or where the backend has them, until the queue's
  /// next `read`.
  [[nodiscard]] virtual ReadBatch read(std::size_t queue, std::span<std::byte> room,
                                       std::span<SuperPacket> packets) noexcept = 0;
  /// Writes packets, in order; the end of the call is the doorbell. Stops at the first one that the
  /// backend refuses (down, gone, full, or a kind that it cannot take: EINVAL).
  [[nodiscard]] virtual Written write(std::size_t queue,
                                      std::span<const Gathered> packets) noexcept = 0;
};

}  // namespace wg::tun
