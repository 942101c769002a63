#include "conn/udp_socket.hpp"

#include <netinet/ip.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "conn/send_remedy.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace wg::conn {
namespace {

constexpr std::size_t kMessagesPerCall = 64;
constexpr std::uint8_t kEcnMask = 3;

void set_option(int fd, int level, int name, int value) noexcept {
  // What cannot be set is done without: every option that goes through here only makes things
  // better.
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

/// Room for the control messages of one train: source or packet info, segment size, traffic class.
struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(sizeof(in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))> bytes;
};

/// Writes control messages one after the other.
class ControlWriter {
 public:
  explicit ControlWriter(ControlBuffer& buffer) noexcept : buffer_(buffer) {}

  template <class Value>
  void add(int level, int type, const Value& value) noexcept {
    auto* const header = reinterpret_cast<cmsghdr*>(buffer_.bytes.data() + size_);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(header), &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  ControlBuffer& buffer_;
  std::size_t size_ = 0;
};

void add_source(ControlWriter& control, const Endpoint& to) noexcept {
  if (const auto* v4 = std::get_if<in_addr>(&to.source().address)) {
    in_pktinfo info{};
    info.ipi_spec_dst = *v4;
    control.add(IPPROTO_IP, IP_PKTINFO, info);
  } else if (const auto* v6 = std::get_if<in6_addr>(&to.source().address)) {
    in6_pktinfo info{};
    info.ipi6_addr = *v6;
    if (IN6_IS_ADDR_LINKLOCAL(v6)) info.ipi6_ifindex = to.source().interface;
    control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

template <class Value>
Value value_of(const cmsghdr* header) noexcept {
  Value value;
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

/// Reads what the kernel says of a received train: where it was sent to, how it is cut, its ECN
/// bits.
void read_control(msghdr& message, ReceivedTrain& train) noexcept {
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      const auto info = value_of<in_pktinfo>(at);
      train.source.set_source({.address = info.ipi_spec_dst,
                               .interface = static_cast<std::uint32_t>(info.ipi_ifindex)});
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      const auto info = value_of<in6_pktinfo>(at);
      train.source.set_source(
          {.address = info.ipi6_addr, .interface = static_cast<std::uint32_t>(info.ipi6_ifindex)});
    } else if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
      const auto size = value_of<int>(at);
      if (size > 0) train.segment_size = static_cast<std::size_t>(size);
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) {
      train.ecn = Ecn(value_of<std::uint8_t>(at) & kEcnMask);
    } else if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS) {
      train.ecn = Ecn(value_of<int>(at) & kEcnMask);
    }
  }
}

}  // namespace

Result<UdpSocket> UdpSocket::open(int family, std::uint16_t port, Sharing sharing,
                                  std::uint32_t mark) {
  Descriptor fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd) return std::unexpected(Failure::system(errno));
  UdpSocket socket(std::move(fd), family);
  if (family == AF_INET6) set_option(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (sharing == Sharing::WithOurOtherShards) {
    if (auto shared = socket.share_port(); !shared) return std::unexpected(shared.error());
  }
  if (mark != 0) {
    if (auto marked = socket.set_mark(mark); !marked) return std::unexpected(marked.error());
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  const Endpoint any = family == AF_INET ? Endpoint(v4) : Endpoint(v6);
  if (::bind(socket.fd(), any.address(), any.address_size()) != 0) {
    return std::unexpected(Failure::system(errno));
  }
  socket.configure();
  return socket;
}

Result<void> UdpSocket::share_port() noexcept {
  const int on = 1;
  if (::setsockopt(fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return std::unexpected(Failure::system(errno));
  }
  return {};
}

Result<void> UdpSocket::set_mark(std::uint32_t mark) noexcept {
  if (::setsockopt(fd(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) {
    return std::unexpected(Failure::system(errno));
  }
  return {};
}

void UdpSocket::configure() noexcept {
  // The …FORCE variants pass the system's limit where we are allowed to.
  set_option(fd(), SOL_SOCKET, SO_RCVBUF, kSocketBufferBytes);
  set_option(fd(), SOL_SOCKET, SO_SNDBUF, kSocketBufferBytes);
  set_option(fd(), SOL_SOCKET, SO_RCVBUFFORCE, kSocketBufferBytes);
  set_option(fd(), SOL_SOCKET, SO_SNDBUFFORCE, kSocketBufferBytes);
  if (family_ == AF_INET) {
    set_option(fd(), IPPROTO_IP, IP_PKTINFO, 1);
    set_option(fd(), IPPROTO_IP, IP_RECVTOS, 1);
    // Routers may fragment (DF is clear), as with the kernel's WireGuard: the inner MTU is what the
    // user set.
    set_option(fd(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  } else {
    set_option(fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_option(fd(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  }
  set_option(fd(), IPPROTO_UDP, UDP_GRO, 1);
  int size = 0;
  socklen_t length = sizeof size;
  gso_ = ::getsockopt(fd(), IPPROTO_UDP, UDP_SEGMENT, &size, &length) == 0;
}

std::uint16_t UdpSocket::port() const noexcept {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin6_port);  // at the same place in sockaddr_in
}

std::size_t UdpSocket::receive(std::span<std::byte> room,
                               std::span<ReceivedTrain> trains) noexcept {
  const std::size_t count = std::min({trains.size(), room.size() / kTrainRoom, kMessagesPerCall});
  std::array<mmsghdr, kMessagesPerCall> messages;
  std::array<iovec, kMessagesPerCall> vectors;
  std::array<sockaddr_in6, kMessagesPerCall> sources;
  std::array<ControlBuffer, kMessagesPerCall> controls;
  for (std::size_t i = 0; i < count; i++) {
    vectors[i] = {room.data() + i * kTrainRoom, kTrainRoom};
    messages[i] = {};
    messages[i].msg_hdr = {.msg_name = &sources[i],
                           .msg_namelen = sizeof sources[i],
                           .msg_iov = &vectors[i],
                           .msg_iovlen = 1,
                           .msg_control = controls[i].bytes.data(),
                           .msg_controllen = sizeof controls[i].bytes,
                           .msg_flags = 0};
  }
  int received = 0;
  do {  // an error of an earlier datagram may be queued on the socket; it is not about what has
        // arrived
    received =
        ::recvmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno != EAGAIN && errno != EBADF && errno != ENOTSOCK &&
           errno != ENOMEM && errno != EINVAL && errno != EFAULT);
  if (received <= 0) return 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(received); i++) {
    ReceivedTrain& train = trains[i];
    train.bytes = {static_cast<std::byte*>(vectors[i].iov_base), messages[i].msg_len};
    train.segment_size = messages[i].msg_len;
    train.ecn = Ecn::NotCapable;
    train.source = family_ == AF_INET ? Endpoint(reinterpret_cast<const sockaddr_in&>(sources[i]))
                                      : Endpoint(sources[i]);
    read_control(messages[i].msg_hdr, train);
  }
  const auto filled = static_cast<std::size_t>(received);
  bound_queue(trains.first(filled), filled == count);
  return filled;
}

void UdpSocket::bound_queue(std::span<const ReceivedTrain> received, bool more) noexcept {
  std::size_t bytes = 0;
  for (const ReceivedTrain& train : received) bytes += train.bytes.size();
  const auto value = bound_.received(bytes, more, ReceiveBound::Clock::now());
  // Forced or not at all: the system's limit for everybody may be far less than what is needed.
  if (value) set_option(fd(), SOL_SOCKET, SO_RCVBUFFORCE, *value);
}

int UdpSocket::send_once(const Endpoint& to, std::span<const OutgoingTrain> trains,
                         std::size_t& sent) noexcept {
  std::array<mmsghdr, kMessagesPerCall> messages;
  std::array<iovec, kMessagesPerCall> vectors;
  std::array<ControlBuffer, kMessagesPerCall> controls;
  const std::size_t count = std::min(trains.size(), kMessagesPerCall);
  for (std::size_t i = 0; i < count; i++) {
    const OutgoingTrain& train = trains[i];
    controls[i] = {};
    ControlWriter control(controls[i]);
    add_source(control, to);
    if (train.bytes.size() > train.segment_size) {
      control.add(IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(train.segment_size));
    }
    if (train.traffic_class != 0) {
      const int traffic_class = train.traffic_class;
      control.add(family_ == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                  family_ == AF_INET ? IP_TOS : IPV6_TCLASS, traffic_class);
    }
    vectors[i] = {const_cast<std::byte*>(train.bytes.data()), train.bytes.size()};
    messages[i] = {};
    messages[i].msg_hdr = {.msg_name = const_cast<sockaddr*>(to.address()),
                           .msg_namelen = to.address_size(),
                           .msg_iov = &vectors[i],
                           .msg_iovlen = 1,
                           .msg_control = control.size() == 0 ? nullptr : controls[i].bytes.data(),
                           .msg_controllen = control.size(),
                           .msg_flags = 0};
  }
  const int done = ::sendmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
  sent = done > 0 ? static_cast<std::size_t>(done) : 0;
  return done > 0 ? 0 : errno;
}

/// Sends a train's datagrams one by one.
void UdpSocket::send_apart(Endpoint& to, const OutgoingTrain& train,
                           SendOutcome& outcome) noexcept {
  std::array<OutgoingTrain, kTrainSegmentsMax> apart;
  std::size_t count = 0;
  for (std::size_t at = 0; at < train.bytes.size() && count < apart.size();
       at += train.segment_size) {
    const auto bytes =
        train.bytes.subspan(at, std::min(train.segment_size, train.bytes.size() - at));
    apart[count++] = {
        .bytes = bytes, .segment_size = bytes.size(), .traffic_class = train.traffic_class};
  }
  send_all(to, std::span(apart).first(count), outcome);
}

/// Joined or apart, all trains go this way, so that what is done about an error is the same.
void UdpSocket::send_all(Endpoint& to, std::span<const OutgoingTrain> trains,
                         SendOutcome& outcome) noexcept {
  while (!trains.empty()) {
    const OutgoingTrain& first = trains.front();
    const bool many = first.bytes.size() > first.segment_size;
    if (many && !gso_.load(std::memory_order_relaxed)) {
      send_apart(to, first, outcome);
      trains = trains.subspan(1);
      continue;
    }
    std::size_t sent = 0;
    const int error = send_once(to, trains, sent);
    if (error == 0) {  // fewer than asked is not an error: the rest follows
      trains = trains.subspan(sent);
      continue;
    }
    switch (remedy(error, many, to.has_source() && !outcome.source_forgotten)) {
      case Remedy::TryAgain:
        continue;
      case Remedy::ForgetSource:
        to.clear_source();
        outcome.source_forgotten = true;
        continue;
      case Remedy::SendApart:
        if (error == EIO) gso_ = false;
        send_apart(to, first, outcome);
        break;
      case Remedy::GiveUp:  // these are lost; the ones behind them may fare better
        outcome.error = error;
        outcome.failed_datagrams += first.datagrams();
        outcome.failed_bytes += first.bytes.size();
        break;
    }
    trains = trains.subspan(1);
  }
}

SendOutcome UdpSocket::send(Endpoint& to, std::span<const OutgoingTrain> trains) noexcept {
  SendOutcome outcome;
  send_all(to, trains, outcome);
  return outcome;
}

void UdpSocket::send_each(std::span<const Letter> letters) noexcept {
  std::array<mmsghdr, kMessagesPerCall> messages;
  std::array<iovec, kMessagesPerCall> vectors;
  std::array<ControlBuffer, kMessagesPerCall> controls;
  while (!letters.empty()) {
    const std::size_t count = std::min(letters.size(), kMessagesPerCall);
    for (std::size_t i = 0; i < count; i++) {
      const Endpoint& to = *letters[i].to;
      controls[i] = {};
      ControlWriter control(controls[i]);
      add_source(control, to);
      vectors[i] = {const_cast<std::byte*>(letters[i].message.data()), letters[i].message.size()};
      messages[i] = {};
      messages[i].msg_hdr = {
          .msg_name = const_cast<sockaddr*>(to.address()),
          .msg_namelen = to.address_size(),
          .msg_iov = &vectors[i],
          .msg_iovlen = 1,
          .msg_control = control.size() == 0 ? nullptr : controls[i].bytes.data(),
          .msg_controllen = control.size(),
          .msg_flags = 0};
    }
    const int sent = ::sendmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    // What fails is left out: the first of what has not been sent.
    letters = letters.subspan(sent > 0 ? static_cast<std::size_t>(sent) : 1);
  }
}

}  // namespace wg::conn
