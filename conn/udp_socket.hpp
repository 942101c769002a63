// One UDP socket: options, control messages, trains by UDP_SEGMENT and UDP_GRO. What the kernel
// lacks is probed when the socket is made and done without.
//
// Sending: one `sendmmsg` for all trains, each cut by the kernel into its datagrams. If the kernel
// or the device cannot cut (EIO: a NIC without checksum offload), that is remembered and the train
// goes again, datagram by datagram; so does a train whose datagrams must be fragmented (EINVAL,
// EMSGSIZE), without remembering. If the source address that we ask for has vanished, it is
// forgotten, once a call, and what failed goes again.
//
// Runs on: the shard that owns the socket: `receive`. Any thread: `send`, `send_each`.
#pragma once

#include <atomic>
#include <cstdint>

#include "conn/bind.hpp"
#include "conn/receive_bound.hpp"
#include "errors/descriptor.hpp"

namespace wg::conn {

inline constexpr int kSocketBufferBytes = ReceiveBound::kMost;

class UdpSocket {
 public:
  enum class Sharing : bool { Exclusive, WithOurOtherShards };

  /// `family`: AF_INET or AF_INET6. `port` 0: any. Exclusive: fails with EADDRINUSE if anybody has
  /// the port.
  [[nodiscard]] static Result<UdpSocket> open(int family, std::uint16_t port, Sharing sharing,
                                              std::uint32_t mark);
  UdpSocket(UdpSocket&& other) noexcept
      : fd_(std::move(other.fd_)), family_(other.family_), gso_(other.gso_.load()) {}

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  void close() noexcept { fd_ = Descriptor(); }
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] Result<void> set_mark(std::uint32_t mark) noexcept;
  /// From now on sockets of our other shards may bind the same port.
  [[nodiscard]] Result<void> share_port() noexcept;

  /// Takes as many trains as the room is for; returns how many came, 0 when there
  /// is nothing.
  [[nodiscard]] std::size_t receive(std::span<std::byte> room,
                                    std::span<ReceivedTrain> trains) noexcept;
  SendOutcome send(Endpoint& to, std::span<const OutgoingTrain> trains) noexcept;
  /// As Bind::send_each.
  void send_each(std::span<const Letter> letters) noexcept;

 private:
  UdpSocket(Descriptor fd, int family) noexcept : fd_(std::move(fd)), family_(family) {}

  void configure() noexcept;
  void bound_queue(std::span<const ReceivedTrain> received, bool more) noexcept;
  [[nodiscard]] int send_once(const Endpoint& to, std::span<const OutgoingTrain> trains,
                              std::size_t& sent) noexcept;
  void send_all(Endpoint& to, std::span<const OutgoingTrain> trains, SendOutcome& outcome) noexcept;
  void send_apart(Endpoint& to, const OutgoingTrain& train, SendOutcome& outcome) noexcept;

  Descriptor fd_;
  int family_;
  std::atomic<bool> gso_{false};
  ReceiveBound bound_;
};

}  // namespace wg::conn
