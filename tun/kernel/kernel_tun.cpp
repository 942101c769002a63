#include "tun/kernel/kernel_tun.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

// Newer than the headers of the oldest systems that we build on.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

namespace wg::tun {
namespace {

constexpr const char* kTunDevice = "/dev/net/tun";
/// What precedes each packet under IFF_VNET_HDR (virtio 1.0, 5.1.6, the legacy form: native byte
/// order). Written out here because <linux/virtio_net.h> is no C++.
struct VnetHeader {
  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t header_size;
  std::uint16_t gso_size;
  std::uint16_t checksum_start;
  std::uint16_t checksum_offset;
};
static_assert(sizeof(VnetHeader) == 10);

constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoNone = 0;
constexpr std::uint8_t kGsoTcpV4 = 1;
constexpr std::uint8_t kGsoTcpV6 = 4;
constexpr std::uint8_t kGsoUdp = 5;
constexpr std::uint8_t kGsoEcn = 0x80;

constexpr std::size_t kPiecesMax = 65;  // a super-packet's 64 and the vnet header

Result<Descriptor> open_device() {
  Descriptor fd(::open(kTunDevice, O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (fd) return fd;
  const int error = errno;
  Failure failure = Failure::system(error).during("{}", kTunDevice);
  if (error == ENOENT)
    failure = failure.hint("load the module 'tun', or pass the device into the container");
  if (error == EACCES || error == EPERM) failure = failure.hint("this needs root");
  return std::unexpected(failure);
}

Failure attach_failure(int error) {
  const Failure failure = Failure::system(error);
  if (error == EPERM) {
    return failure.hint(
        "this needs CAP_NET_ADMIN: run as root, or 'setcap cap_net_admin+ep' the program");
  }
  if (error == EBUSY || error == EINVAL) {
    return failure.hint(
        "an interface of that name exists already; 'ip link show' tells what it is, "
        "'ip link delete' removes it");
  }
  return failure;
}

/// A daemon of this name that was killed may still be on its way out: its interface goes with its
/// last descriptor. So a name in use is asked for again for a while before it counts as taken.
constexpr auto kLeavingTime = std::chrono::milliseconds(500);
constexpr auto kLeavingPoll = std::chrono::milliseconds(10);

int attach(int fd, ifreq& request, int flags) noexcept {
  const auto give_up = std::chrono::steady_clock::now() + kLeavingTime;
  for (;;) {
    request.ifr_flags = static_cast<short>(flags);
    if (::ioctl(fd, TUNSETIFF, &request) == 0) return 0;
    if (errno != EBUSY || std::chrono::steady_clock::now() > give_up) return errno;
    std::this_thread::sleep_for(kLeavingPoll);
  }
}

std::uint8_t gso_type_of(Cut cut) noexcept {
  switch (cut) {
    case Cut::None:
      return kGsoNone;
    case Cut::TcpV4:
      return kGsoTcpV4;
    case Cut::TcpV6:
      return kGsoTcpV6;
    case Cut::Udp:
      return kGsoUdp;
  }
  return kGsoNone;
}

std::optional<Cut> cut_of(std::uint8_t gso_type) noexcept {
  switch (gso_type & ~kGsoEcn) {
    case kGsoNone:
      return Cut::None;
    case kGsoTcpV4:
      return Cut::TcpV4;
    case kGsoTcpV6:
      return Cut::TcpV6;
    case kGsoUdp:
      return Cut::Udp;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<std::unique_ptr<KernelTun>> KernelTun::create(
    const std::string& name, const std::vector<boost::asio::io_context*>& shards) {
  auto first = open_device();
  if (!first) return std::unexpected(first.error());

  ifreq request{};
  const int base = IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL;
  TunFeatures features{.vnet_header = true, .multi_queue = shards.size() > 1};
  int error = 0;
  // From the best to the plainest that every kernel has.
  for (const int flags : {IFF_VNET_HDR | IFF_MULTI_QUEUE, int{IFF_VNET_HDR}, 0}) {
    if ((flags & IFF_MULTI_QUEUE) != 0 && shards.size() == 1) continue;
    request = {};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    error = attach(first->get(), request, base | flags);
    features.vnet_header = (flags & IFF_VNET_HDR) != 0;
    features.multi_queue = (flags & IFF_MULTI_QUEUE) != 0;
    if (error != EINVAL) break;
  }
  if (error != 0) return std::unexpected(attach_failure(error));

  std::unique_ptr<KernelTun> tun(new KernelTun(request.ifr_name, features));
  tun->add_queue(std::move(*first), *shards[0]);
  for (std::size_t i = 1; features.multi_queue && i < shards.size(); i++) {
    auto fd = open_device();
    if (!fd) return std::unexpected(fd.error());
    const int flags = (base & ~IFF_TUN_EXCL) | IFF_VNET_HDR | IFF_MULTI_QUEUE;
    if (const int failed = attach(fd->get(), request, flags); failed != 0) {
      return std::unexpected(Failure::system(failed).during("queue {}", i));
    }
    tun->add_queue(std::move(*fd), *shards[i]);
  }
  tun->probe_offloads();
  return tun;
}

Result<std::unique_ptr<KernelTun>> KernelTun::adopt(
    Descriptor fd, const std::vector<boost::asio::io_context*>& shards) {
  ifreq request{};
  if (::ioctl(fd.get(), TUNGETIFF, &request) != 0) {
    return std::unexpected(Failure::system(errno).hint(
        "the descriptor must be one of /dev/net/tun that is attached to an interface (TUNSETIFF)"));
  }
  const int flags = request.ifr_flags;
  if ((flags & IFF_TUN) == 0 || (flags & IFF_NO_PI) == 0) {
    return std::unexpected(Failure("the interface must be attached with IFF_TUN | IFF_NO_PI"));
  }
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  const TunFeatures features{.vnet_header = (flags & IFF_VNET_HDR) != 0,
                             .multi_queue = (flags & IFF_MULTI_QUEUE) != 0};
  std::unique_ptr<KernelTun> tun(new KernelTun(request.ifr_name, features));
  if (features.vnet_header) {
    int header_size = sizeof(VnetHeader);
    ::ioctl(fd.get(), TUNSETVNETHDRSZ, &header_size);
  }
  tun->add_queue(std::move(fd), *shards[0]);
  tun->probe_offloads();
  return tun;
}

void KernelTun::add_queue(Descriptor fd, boost::asio::io_context& context) {
  queues_.push_back({.descriptor = std::make_shared<boost::asio::posix::stream_descriptor>(
                         context, fd.release())});
  properties_.queues = queues_.size();
}

void KernelTun::probe_offloads() noexcept {
  if (!features_.vnet_header) return;
  constexpr unsigned kTso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  for (const unsigned offloads : {kTso | TUN_F_USO4 | TUN_F_USO6, kTso, unsigned{TUN_F_CSUM}}) {
    if (::ioctl(queues_[0].descriptor->native_handle(), TUNSETOFFLOAD, offloads) != 0) continue;
    features_.checksum = true;
    features_.tso = (offloads & TUN_F_TSO4) != 0;
    features_.uso = (offloads & TUN_F_USO4) != 0;
    properties_.takes_tcp = features_.tso;
    properties_.takes_udp = features_.uso;
    return;
  }
}

void KernelTun::async_readable(std::size_t queue, std::function<void()> ready) {
  if (queue >= queues_.size() || queues_[queue].waiting) return;
  queues_[queue].waiting = true;
  queues_[queue].descriptor->async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [this, queue, ready = std::move(ready)](const boost::system::error_code& error) {
        if (error) return;  // the wait was ended, perhaps because all of this is gone
        queues_[queue].waiting = false;
        ready();
      });
}

ReadBatch KernelTun::read(std::size_t queue, std::span<std::byte> room,
                          std::span<SuperPacket> packets) noexcept {
  // One: that is what a call of the kernel's yields.
  const auto packet = read_one(queues_[queue].descriptor->native_handle(), room);
  if (!packet) return {.packets = 0, .dry = true};
  packets.front() = *packet;
  return {.packets = 1, .dry = false};
}

/// None when dry, or when the interface has gone: whoever follows it is told.
std::optional<SuperPacket> KernelTun::read_one(int fd, std::span<std::byte> room) noexcept {
  if (!features_.vnet_header) {
    const ssize_t size = ::read(fd, room.data(), room.size());
    if (size < 0) note_failed_read();
    if (size <= 0) return std::nullopt;
    return SuperPacket{.bytes = room.first(static_cast<std::size_t>(size)), .offload = {}};
  }
  VnetHeader header;
  const iovec pieces[] = {{&header, sizeof header}, {room.data(), room.size()}};
  const ssize_t size = ::readv(fd, pieces, 2);
  if (size < 0) note_failed_read();
  if (size <= static_cast<ssize_t>(sizeof header)) return std::nullopt;
  SuperPacket packet{.bytes = room.first(static_cast<std::size_t>(size) - sizeof header),
                     .offload = {}};
  const auto cut = cut_of(header.gso_type);
  // A kind that we never offered to take; as a packet without content it is counted as malformed.
  if (!cut) return SuperPacket{};
  packet.offload = {.cut = *cut,
                    .checksum_open = (header.flags & kNeedsChecksum) != 0,
                    .header_size = header.header_size,
                    .segment_payload = header.gso_size,
                    .checksum_start = header.checksum_start,
                    .checksum_offset = header.checksum_offset};
  return packet;
}

void KernelTun::note_failed_read() noexcept {
  if (errno == EBADFD && gone_ && !gone_told_.exchange(true)) gone_();
}

Written KernelTun::write(std::size_t queue, std::span<const Gathered> packets) noexcept {
  const int fd = queues_[queue % queues_.size()].descriptor->native_handle();
  Written written;
  for (const Gathered& packet : packets) {
    written.error = write_one(fd, packet);
    if (written.error != 0) break;
    written.packets++;
  }
  return written;
}

int KernelTun::write_one(int fd, const Gathered& packet) const noexcept {
  const auto& [pieces, offload, inner_packets] = packet;
  VnetHeader header{};
  std::array<iovec, kPiecesMax> all;
  std::size_t count = 0;
  if (features_.vnet_header) all[count++] = {&header, sizeof header};
  if (pieces.size() > kPiecesMax - count) return E2BIG;
  for (const iovec& piece : pieces) all[count++] = piece;
  if (offload.checksum_open) {
    header.flags = kNeedsChecksum;
    header.checksum_start = offload.checksum_start;
    header.checksum_offset = offload.checksum_offset;
  }
  header.gso_type = gso_type_of(offload.cut);
  header.header_size = offload.header_size;
  header.gso_size = offload.segment_payload;
  return ::writev(fd, all.data(), static_cast<int>(count)) >= 0 ? 0 : errno;
}

std::optional<std::string> KernelTun::name_now() const {
  ifreq request{};
  if (::ioctl(queues_[0].descriptor->native_handle(), TUNGETIFF, &request) != 0) {
    return std::nullopt;
  }
  return request.ifr_name;
}

Result<Descriptor> KernelTun::network_namespace() const {
  Descriptor fd(::ioctl(queues_[0].descriptor->native_handle(), TUNGETDEVNETNS));
  if (!fd) return std::unexpected(Failure::system(errno).during("TUNGETDEVNETNS"));
  return fd;
}

}  // namespace wg::tun
