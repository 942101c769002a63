#include "device/shard.hpp"

#include <pthread.h>

#include <array>
#include <boost/asio/post.hpp>

#include "device/clock.hpp"
#include "device/peer.hpp"

namespace wg::device {

ShardThreads::ShardThreads(std::size_t count) {
  for (std::size_t i = 0; i < count; i++) contexts_.push_back(std::make_unique<Running>());
}

ShardThreads::~ShardThreads() {
  stop();
}

std::vector<boost::asio::io_context*> ShardThreads::contexts() const {
  std::vector<boost::asio::io_context*> all;
  for (const auto& running : contexts_) all.push_back(&running->context);
  return all;
}

void ShardThreads::start() {
  for (std::size_t i = 0; i < contexts_.size(); i++) {
    Running& running = *contexts_[i];
    running.thread = std::thread([&running] { running.context.run(); });
    ::pthread_getcpuclockid(running.thread.native_handle(), &running.cpu_clock);
    ::pthread_setname_np(running.thread.native_handle(), ("shard-" + std::to_string(i)).c_str());
  }
}

void ShardThreads::stop() {
  for (const auto& running : contexts_) running->context.stop();
  for (const auto& running : contexts_) {
    if (running->thread.joinable()) running->thread.join();
  }
}

std::chrono::nanoseconds ShardThreads::cpu_time(std::size_t shard) const noexcept {
  timespec time{};
  // Fails for a thread that has ended; then nobody decides anything by it any more.
  (void)::clock_gettime(contexts_[shard]->cpu_clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

Shard::Shard(Context& context, Handshakes& handshakes, const ShardThreads& threads,
             std::size_t index, HelpMode help)
    : context_(context),
      executor_(threads.context(index)),
      index_(index),
      outbound_(context, index),
      inbound_(context, handshakes, index, executor_, [this] { bind_turn(); }),
      help_(help, threads, index, *context.log),
      room_(std::make_unique_for_overwrite<std::byte[]>(tun::kReadRoom)) {}

void Shard::start_tun() {
  if (index_ >= context_.tun.queues()) return;
  boost::asio::post(executor_, [this] {
    const auto pass = context_.gate.pass(index_);
    wait_tun();
  });
}

void Shard::start_bind() {
  boost::asio::post(executor_, [this] {
    const auto pass = context_.gate.pass(index_);
    wait_bind();
  });
}

void Shard::wait_tun() {
  context_.tun.async_readable(index_, [this] { tun_turn(); });
}

void Shard::wait_bind() {
  context_.bind.async_readable(index_, [this] { bind_turn(); });
}

void Shard::tun_turn() {
  for (int i = 0; i < kBatchesPerTurn; i++) {
    const auto pass = context_.gate.pass(index_);
    if (!read_batch()) return wait_tun();
  }
  boost::asio::post(executor_, [this] { tun_turn(); });
}

bool Shard::read_batch() {
  std::size_t used = 0;
  bool dry = false;
  for (std::size_t i = 0; i < kReadBatchPackets && used < kReadBatchBytes; i++) {
    const auto packet = context_.tun.read(index_, {room_.get(), tun::kReadRoom});
    dry = !packet;
    if (dry) break;
    used += packet->bytes.size();
    outbound_.add(*packet);
  }
  outbound_.flush();
  return !dry;
}

void Shard::bind_turn() {
  for (int i = 0; i < kBatchesPerTurn; i++) {
    const auto pass = context_.gate.pass(index_);
    const auto room = inbound_.room(help_.helper());
    if (room.empty()) return;  // the helper is behind: goes on when it has given some back
    if (!receive_batch(room)) {
      // What the host answers at once (an echo, TCP's handshakes) is there already: it needs no
      // wake-up.
      if (index_ < context_.tun.queues()) (void)read_batch();
      return wait_bind();
    }
  }
  boost::asio::post(executor_, [this] { bind_turn(); });
}

bool Shard::receive_batch(std::span<std::byte> room) {
  std::array<conn::ReceivedTrain, conn::kReceiveTrainsMax> trains;
  conn::Received received = context_.bind.receive(index_, room, trains);
  if (received.trains == 0) {
    inbound_.flush();
    return false;
  }
  const protocol::Instant time = now();
  std::size_t bytes = inbound_.receive(std::span(trains).first(received.trains), time);
  while (received.more) {
    received = context_.bind.receive(index_, room, trains);
    bytes += inbound_.receive(std::span(trains).first(received.trains), time);
  }
  inbound_.flush();
  help_.after_batch(bytes, time);
  return true;
}

void Shard::send_staged(const std::shared_ptr<Peer>& to) {
  // Weak: the context outlives the device, and a peer must not.
  boost::asio::post(executor_, [this, weak = std::weak_ptr(to)] {
    const auto pass = context_.gate.pass(index_);
    const auto peer = weak.lock();
    if (!peer || !context_.up) return;
    for (const StagedPacket& packet : peer->take_staged()) outbound_.add_staged(*peer, packet);
    outbound_.flush();
  });
}

}  // namespace wg::device
