// WireGuard over UDP: an IPv4 and an IPv6 socket on one port, a pair of them for each shard
// (SO_REUSEPORT).
//
// The first pair is bound without SO_REUSEPORT, so that a port that another program has is still
// EADDRINUSE; only then is the port shared with our own other shards. Without IPv6 (or IPv4) on the
// host the other family does alone.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "conn/bind.hpp"
#include "conn/udp_socket.hpp"

namespace wg::conn {

class UdpBind final : public Bind {
 public:
  /// One context for each shard; they outlive the bind.
  explicit UdpBind(std::vector<boost::asio::io_context*> shards);
  ~UdpBind() override;

  [[nodiscard]] Result<std::uint16_t> open(std::uint16_t port) override;
  void close() noexcept override;
  [[nodiscard]] Result<void> set_mark(std::uint32_t mark) override;
  void async_readable(std::size_t shard, std::function<void()> ready) override;
  [[nodiscard]] Received receive(std::size_t shard, std::span<std::byte> room,
                                 std::span<ReceivedTrain> trains) noexcept override;
  SendOutcome send(std::size_t shard, Endpoint& to,
                   std::span<const OutgoingTrain> trains) noexcept override;
  void send_each(std::size_t shard, std::span<const Letter> letters) noexcept override;
  [[nodiscard]] bool caches_sources() const noexcept override { return true; }
  [[nodiscard]] std::uint16_t udp_port() const noexcept override {
    return sockets_.empty() ? 0 : port_;
  }
  [[nodiscard]] std::expected<Endpoint, std::string> parse_endpoint(
      std::string_view text) const override {
    return Endpoint::parse(text);
  }

 private:
  /// A socket and its waiting. The socket's descriptor is lent to Asio, which never closes it.
  ///
  /// `close` closes it at once, whoever else still holds this: a handler on its way to the gate
  /// must not keep the port.
  struct Watched {
    Watched(boost::asio::io_context& context, UdpSocket opened)
        : socket(std::move(opened)), descriptor(context, socket.fd()) {}
    ~Watched() { close(); }
    void close() noexcept {
      if (!descriptor.is_open()) return;
      descriptor.release();
      socket.close();
    }
    UdpSocket socket;
    boost::asio::posix::stream_descriptor descriptor;
    std::atomic<bool> waiting = false;  // the handler clears it outside of any pass
    std::atomic<bool> readable = false;
  };
  struct Sockets {
    std::shared_ptr<Watched> v4;
    std::shared_ptr<Watched> v6;
    bool v6_next =
        false;  // the families take turns, so that a flood on one does not shut the other out
  };
  using AllSockets = std::vector<Sockets>;

  [[nodiscard]] Result<AllSockets> open_all(std::uint16_t port) const;
  [[nodiscard]] Result<Sockets> open_pair(std::size_t shard, std::uint16_t port,
                                          UdpSocket::Sharing sharing) const;
  void wait(const std::shared_ptr<Watched>& watched, const std::function<void()>& ready);

  std::vector<boost::asio::io_context*> shards_;
  AllSockets sockets_;  // empty: closed
  std::uint16_t port_ = 0;
  std::uint32_t mark_ = 0;
};

}  // namespace wg::conn
