// A stream bind under test, and those who connect to it by hand.
#pragma once

#include <spdlog/sinks/null_sink.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "conn/stream_bind.hpp"
#include "tests/bytes.hpp"
#include "tests/conn/framed.hpp"
#include "tests/printing.hpp"

namespace wg::test {

[[nodiscard]] inline std::shared_ptr<spdlog::logger> silent() {
  return std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::null_sink_mt>());
}

/// A port that is free now.
[[nodiscard]] inline std::uint16_t free_port() {
  const Descriptor fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  BOOST_REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  BOOST_REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

[[nodiscard]] inline conn::Endpoint at(std::uint16_t port, bool v6 = false) {
  return *conn::Endpoint::parse((v6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port));
}

/// The port that the bind has opened on.
[[nodiscard]] inline std::uint16_t opened(conn::Bind& bind, std::uint16_t port) {
  const auto result = bind.open(port);
  if (!result) BOOST_FAIL(result.error().text());
  return *result;
}

/// A peer that counts what it is told.
struct Lost final : conn::ConnectionListener {
  void connection_lost(const conn::Endpoint& lost, bool can_be_dialled) override {
    count++;
    endpoint = lost;
    dialled = can_be_dialled;
  }
  int count = 0;
  conn::Endpoint endpoint;
  bool dialled = false;
};

/// A bind of one shard that collects what it receives.
struct Node {
  boost::asio::io_context& context;
  conn::StreamBind bind;
  std::vector<std::byte> room = std::vector<std::byte>(conn::kReceiveRoom);
  std::vector<Bytes> messages;
  conn::Endpoint last_source;
  std::size_t malformed = 0;

  template <class... More>
  explicit Node(boost::asio::io_context& runs, std::shared_ptr<spdlog::logger> log = silent(),
                More&&... more)
      : context(runs),
        bind(conn::StreamNetwork::Tcp, {&runs}, std::move(log), std::forward<More>(more)...) {}

  std::uint16_t listen() {
    const std::uint16_t port = free_port();
    BOOST_TEST_REQUIRE(opened(bind, port) == port);
    wait();
    return port;
  }
  void dial_only() {
    BOOST_TEST_REQUIRE(opened(bind, 0) == 0u);
    wait();
  }
  conn::SendOutcome send(const conn::Endpoint& to, const Bytes& message, std::size_t segment = 0) {
    conn::Endpoint target = to;
    const conn::OutgoingTrain train{.bytes = message,
                                    .segment_size = segment == 0 ? message.size() : segment,
                                    .traffic_class = 0};
    return bind.send(0, target, {&train, 1});
  }

 private:
  void wait() {
    bind.async_readable(0, [this] {
      std::array<conn::ReceivedTrain, conn::kReceiveTrainsMax> received;
      for (;;) {
        const conn::Received got = bind.receive(0, room, received);
        malformed += got.malformed;
        if (got.trains == 0) break;
        for (const conn::ReceivedTrain& train : std::span(received).first(got.trains)) {
          messages.emplace_back(train.bytes.begin(), train.bytes.end());
          last_source = train.source;
        }
      }
      wait();
    });
  }
};

/// Runs the context until `condition` holds; false after five seconds.
template <class Condition>
[[nodiscard]] bool until(boost::asio::io_context& context, Condition&& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    context.restart();
    context.run_for(std::chrono::milliseconds(5));
  }
  return true;
}
inline void run_for(boost::asio::io_context& context, std::chrono::milliseconds time) {
  context.restart();
  context.run_for(time);
}

/// A socket of somebody's who writes what he likes; it blocks.
[[nodiscard]] inline Descriptor unconnected() {
  return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}
inline void connect_to(const Descriptor& fd, std::uint16_t port) {
  const conn::Endpoint to = at(port);
  BOOST_REQUIRE(::connect(fd.get(), to.address(), to.address_size()) == 0);
}
[[nodiscard]] inline Descriptor stranger(std::uint16_t port) {
  Descriptor fd = unconnected();
  connect_to(fd, port);
  return fd;
}
inline void write_all(const Descriptor& fd, std::span<const std::byte> bytes) {
  BOOST_REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
}
[[nodiscard]] inline bool closed(const Descriptor& fd) {
  std::byte byte;
  const ssize_t got = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN);
}
[[nodiscard]] inline Bytes data(std::size_t size, std::uint8_t fill = 9) {
  Bytes bytes(size, std::byte{fill});
  bytes[0] = std::byte{4};
  return bytes;
}
[[nodiscard]] inline Bytes initiation() {
  Bytes bytes(148, std::byte{0});
  bytes[0] = std::byte{1};
  return bytes;
}

}  // namespace wg::test
