#include "device/shard.hpp"

#include <pthread.h>

#include <array>
#include <boost/asio/post.hpp>

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
    ::pthread_setname_np(running.thread.native_handle(), ("shard-" + std::to_string(i)).c_str());
  }
}

void ShardThreads::stop() {
  for (const auto& running : contexts_) running->context.stop();
  for (const auto& running : contexts_) {
    if (running->thread.joinable()) running->thread.join();
  }
}

Shard::Shard(Context& context, Handshakes& handshakes, boost::asio::io_context& executor,
             std::size_t index)
    : context_(context),
      executor_(executor),
      index_(index),
      outbound_(context, index),
      inbound_(context, handshakes, index),
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
  std::array<conn::ReceivedTrain, conn::kReceiveTrainsMax> trains;
  for (int i = 0; i < kBatchesPerTurn; i++) {
    const auto pass = context_.gate.pass(index_);
    const std::size_t count = context_.bind.receive(index_, trains);
    if (count == 0) return wait_bind();
    for (const conn::ReceivedTrain& train : std::span(trains).first(count)) {
      inbound_.receive(train);
    }
    inbound_.flush();
  }
  boost::asio::post(executor_, [this] { bind_turn(); });
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
