#include "conn/udp_bind.hpp"

#include <cerrno>

namespace wg::conn {
namespace {

/// Tries to find a port that is free in both families.
constexpr int kRandomPortTries = 100;

bool family_missing(const Failure& failure) noexcept {
  const int error = failure.code().value();
  return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPFNOSUPPORT;
}

}  // namespace

UdpBind::UdpBind(std::vector<boost::asio::io_context*> shards) : shards_(std::move(shards)) {}

UdpBind::~UdpBind() {
  close();
}

Result<UdpBind::Sockets> UdpBind::open_pair(std::size_t shard, std::uint16_t port,
                                            UdpSocket::Sharing sharing) const {
  Sockets pair;
  auto v4 = UdpSocket::open(AF_INET, port, sharing, mark_);
  if (!v4 && !family_missing(v4.error())) return std::unexpected(v4.error());
  if (v4) {
    if (port == 0) port = v4->port();
    pair.v4 = std::make_shared<Watched>(*shards_[shard], std::move(*v4));
  }
  auto v6 = UdpSocket::open(AF_INET6, port, sharing, mark_);
  if (!v6 && !(family_missing(v6.error()) && pair.v4)) return std::unexpected(v6.error());
  if (v6) pair.v6 = std::make_shared<Watched>(*shards_[shard], std::move(*v6));
  return pair;
}

Result<UdpBind::AllSockets> UdpBind::open_all(std::uint16_t port) const {
  AllSockets all;
  auto first = open_pair(0, port, UdpSocket::Sharing::Exclusive);
  if (!first) return std::unexpected(first.error());
  all.push_back(std::move(*first));
  const std::uint16_t chosen = (all[0].v4 ? all[0].v4 : all[0].v6)->socket.port();
  for (std::size_t shard = 1; shard < shards_.size(); shard++) {
    for (const auto& watched : {all[0].v4, all[0].v6}) {
      if (!watched) continue;
      if (auto shared = watched->socket.share_port(); !shared) {
        return all;  // no SO_REUSEPORT: the first shard's pair serves alone
      }
    }
    auto pair = open_pair(shard, chosen, UdpSocket::Sharing::WithOurOtherShards);
    if (!pair) return std::unexpected(pair.error());
    all.push_back(std::move(*pair));
  }
  return all;
}

Result<std::uint16_t> UdpBind::open(std::uint16_t port) {
  if (!sockets_.empty() && port != 0 && port == port_) return port_;
  auto opened = open_all(port);
  for (int tries = 1; port == 0 && !opened && tries < kRandomPortTries &&
                      opened.error().code().value() == EADDRINUSE;
       tries++) {
    opened = open_all(port);  // the port that was free for IPv4 was not for IPv6
  }
  if (!opened) return std::unexpected(opened.error());
  close();
  sockets_ = std::move(*opened);
  port_ = (sockets_[0].v4 ? sockets_[0].v4 : sockets_[0].v6)->socket.port();
  return port_;
}

void UdpBind::close() noexcept {
  for (const Sockets& pair : sockets_) {
    for (const auto& watched : {pair.v4, pair.v6}) {
      if (watched) watched->close();
    }
  }
  sockets_.clear();
}

Result<void> UdpBind::set_mark(std::uint32_t mark) {
  for (const Sockets& pair : sockets_) {
    for (const auto& watched : {pair.v4, pair.v6}) {
      if (!watched) continue;
      if (auto marked = watched->socket.set_mark(mark); !marked) {
        return std::unexpected(marked.error());
      }
    }
  }
  mark_ = mark;
  return {};
}

void UdpBind::wait(const std::shared_ptr<Watched>& watched, const std::function<void()>& ready) {
  if (!watched || watched->waiting) return;
  watched->waiting = true;
  watched->descriptor.async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [weak = std::weak_ptr(watched), ready](const boost::system::error_code& error) {
        const auto alive = weak.lock();
        if (error || !alive) return;  // closed meanwhile
        alive->waiting = false;
        alive->readable = true;
        ready();  // waits at the gate: what is closed meanwhile is closed all the same
      });
}

void UdpBind::async_readable(std::size_t shard, std::function<void()> ready) {
  if (shard >= sockets_.size()) return;
  wait(sockets_[shard].v4, ready);
  wait(sockets_[shard].v6, ready);
}

Received UdpBind::receive(std::size_t shard, std::span<std::byte> room,
                          std::span<ReceivedTrain> trains) noexcept {
  if (shard >= sockets_.size()) return {};
  Sockets& pair = sockets_[shard];
  pair.v6_next = !pair.v6_next;
  for (Watched* const watched :
       {(pair.v6_next ? pair.v6 : pair.v4).get(), (pair.v6_next ? pair.v4 : pair.v6).get()}) {
    if (watched == nullptr || !watched->readable) continue;
    const std::size_t count = watched->socket.receive(room, trains);
    if (count > 0) return {.trains = count};
    watched->readable = false;
  }
  return {};
}

SendOutcome UdpBind::send(std::size_t shard, Endpoint& to,
                          std::span<const OutgoingTrain> trains) noexcept {
  if (sockets_.empty()) return refused(trains, ENOTCONN);
  const Sockets& pair = sockets_[shard < sockets_.size() ? shard : 0];
  const auto& watched = to.family() == AF_INET ? pair.v4 : pair.v6;
  if (!watched) return refused(trains, EAFNOSUPPORT);
  return watched->socket.send(to, trains);
}

void UdpBind::send_each(std::size_t shard, std::span<const Letter> letters) noexcept {
  if (sockets_.empty()) return;
  const Sockets& pair = sockets_[shard < sockets_.size() ? shard : 0];
  while (!letters.empty()) {
    const bool v4 = letters.front().to->family() == AF_INET;
    std::size_t count = 1;
    while (count < letters.size() && (letters[count].to->family() == AF_INET) == v4) count++;
    const auto& watched = v4 ? pair.v4 : pair.v6;
    if (watched) watched->socket.send_each(letters.first(count));
    letters = letters.subspan(count);
  }
}

}  // namespace wg::conn
