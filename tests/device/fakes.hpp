// Both ends of a tunnel without a kernel: a TUN and a bind in memory, for tests of the device with
// all its threads.
#pragma once

#include <spdlog/sinks/null_sink.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "conn/bind.hpp"
#include "device/device.hpp"
#include "tests/bytes.hpp"
#include "tun/tun.hpp"

namespace wg::test {

/// Polls until `condition` holds, five seconds at the most.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

template <class Struct>
[[nodiscard]] Bytes bytes_from(const Struct& message) {
  const auto bytes = protocol::bytes_of(message);
  return {bytes.begin(), bytes.end()};
}

/// What fakes have in common: a queue that wakes its shard.
template <class Item>
class Mailbox {
 public:
  explicit Mailbox(boost::asio::io_context& context) : context_(context) {}
  void push(Item item, bool at_front = false);
  /// Wakes nobody.
  void leave(Item item);
  [[nodiscard]] std::optional<Item> pop();
  void async_readable(std::function<void()> ready);
  void cancel();

 private:
  boost::asio::io_context& context_;
  std::mutex mutex_;
  std::deque<Item> items_;
  std::function<void()> ready_;
};

class FakeTun final : public tun::Tun {
 public:
  explicit FakeTun(boost::asio::io_context& context) : inbox_(context) {}
  /// As if the host had sent it.
  void host_sends(Bytes packet) { inbox_.push(std::move(packet)); }
  /// What the host has received, in order.
  [[nodiscard]] std::vector<Bytes> host_received();
  bool refuse_writes = false;
  /// What the host sends while it receives, as it answers an echo: nobody is woken for it.
  std::optional<Bytes> answer_at_once;
  /// Names of the threads that have written.
  [[nodiscard]] std::set<std::string> writers();

  /// Joined packets are taken, so the device joins. To be set before the device is made.
  void join() { properties_.takes_tcp = properties_.takes_udp = true; }
  /// …and then refused, with this errno.
  std::atomic<int> refuse_joined = 0;
  std::atomic<unsigned> joined_refused = 0;

  [[nodiscard]] const tun::Properties& properties() const noexcept override { return properties_; }
  void async_readable(std::size_t, std::function<void()> ready) override {
    inbox_.async_readable(std::move(ready));
  }
  [[nodiscard]] tun::ReadBatch read(std::size_t, std::span<std::byte> room,
                                    std::span<tun::SuperPacket> packets) noexcept override;
  [[nodiscard]] tun::Written write(std::size_t,
                                   std::span<const tun::Gathered> packets) noexcept override;

 private:
  void take(const tun::Gathered& packet);

  tun::Properties properties_{.any_thread_writes = true};
  Mailbox<Bytes> inbox_;
  std::mutex mutex_;
  std::vector<Bytes> received_;
  std::set<std::string> writers_;
};

/// A bind whose datagrams go where a test wants them.
class FakeBind final : public conn::Bind {
 public:
  struct Datagram {
    Bytes bytes;
    conn::Endpoint peer;
    conn::Ecn ecn = conn::Ecn::NotCapable;
  };
  explicit FakeBind(boost::asio::io_context& context) : inbox_(context) {}

  /// As if it had come from `from`.
  void arrives(Bytes bytes, const conn::Endpoint& from, conn::Ecn ecn = conn::Ecn::NotCapable) {
    inbox_.push({std::move(bytes), from, ecn});
  }
  /// As `arrives`, but before all that waits already.
  void arrives_first(Bytes bytes, const conn::Endpoint& from) {
    inbox_.push({std::move(bytes), from}, true);
  }
  /// Sent since the last call, in order.
  [[nodiscard]] std::vector<Datagram> take_sent();
  /// Waits for the next datagram sent that satisfies `wanted`; those before it are discarded. None
  /// within two seconds.
  [[nodiscard]] std::optional<Datagram> next_sent(std::function<bool(const Bytes&)> wanted);
  /// Where everything that is sent goes instead of `take_sent`.
  std::function<void(const Datagram&)> forward;
  std::atomic<bool> fail_sends{false};
  std::atomic<std::uint16_t> taken_port = 0;  // opening it fails
  std::uint32_t mark = 0;
  /// As a stream whose connection is gone: what is sent there is refused. To be set before anything
  /// is sent.
  std::optional<conn::Endpoint> gone;
  [[nodiscard]] std::vector<conn::Endpoint> released();

  [[nodiscard]] Result<std::uint16_t> open(std::uint16_t port) override;
  void close() noexcept override;
  [[nodiscard]] Result<void> set_mark(std::uint32_t value) override;
  [[nodiscard]] std::uint16_t udp_port() const noexcept override { return open_ ? port_ : 0; }
  /// All that comes, comes to the first shard.
  void async_readable(std::size_t shard, std::function<void()> ready) override {
    if (shard == 0) inbox_.async_readable(std::move(ready));
  }
  [[nodiscard]] conn::Received receive(std::size_t, std::span<std::byte> room,
                                       std::span<conn::ReceivedTrain> trains) noexcept override;
  conn::SendOutcome send(std::size_t, conn::Endpoint& to,
                         std::span<const conn::OutgoingTrain> trains) noexcept override;
  [[nodiscard]] conn::Endpoint after_loss(
      const conn::Endpoint& current, const conn::Endpoint& configured) const noexcept override {
    return gone && current == *gone ? configured : current;
  }
  void release(const conn::Endpoint& endpoint) noexcept override;
  [[nodiscard]] std::expected<conn::Endpoint, std::string> parse_endpoint(
      std::string_view text) const override {
    return conn::Endpoint::parse(text);
  }

 private:
  Mailbox<Datagram> inbox_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Datagram> sent_;
  std::vector<conn::Endpoint> released_;
  bool open_ = false;
  std::uint16_t port_ = 0;
};

[[nodiscard]] inline std::shared_ptr<spdlog::logger> silent_log() {
  return std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>());
}

/// A device on fake ends, up, with an identity.
struct TestDevice {
  explicit TestDevice(std::size_t threads = 1,
                      device::PipelineMode pipeline = device::PipelineMode::Auto,
                      bool joins = false);
  ~TestDevice() { device.stop(); }

  device::ShardThreads shards;
  FakeTun tun{*shards.contexts()[0]};
  FakeBind bind{*shards.contexts()[0]};
  crypto::PrivateKey private_key = crypto::generate_private_key();
  crypto::PublicKey public_key = crypto::public_key_of(private_key);
  device::Device device;

  void add_peer(const crypto::PublicKey& key, std::vector<std::string> allowed_ips,
                const std::string& endpoint = "");
  [[nodiscard]] std::uint64_t drops(device::DropReason reason) const {
    return device.dropped(reason);
  }
  [[nodiscard]] bool dropped(device::DropReason reason, std::uint64_t count = 1) const {
    return eventually([&] { return drops(reason) >= count; });
  }
};

}  // namespace wg::test
