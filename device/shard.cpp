#include "device/shard.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <cassert>

#include "device/clock.hpp"
#include "device/peer.hpp"

namespace wg::device {

Shard::Shard(Context& context, Handshakes& handshakes, const ShardThreads& threads,
             std::size_t index, PipelineMode pipeline)
    : context_(context),
      executor_(threads.context(index)),
      index_(index),
      outbound_(context, index),
      writer_(context, threads, index, pipeline, [this] { bind_turn(); }),
      inbound_(context, handshakes, writer_, index),
      room_(std::make_unique_for_overwrite<std::byte[]>(tun::kReadRoom)) {}

void Shard::start_tun() {
  if (index_ >= context_.wiring.tun.properties().queues) return;
  boost::asio::post(executor_, [this] {
    const auto pass = context_.gate.pass();
    wait_tun();
  });
}

void Shard::start_bind() {
  boost::asio::post(executor_, [this] {
    const auto pass = context_.gate.pass();
    wait_bind(*pass);
  });
}

void Shard::wait_tun() {
  context_.wiring.tun.async_readable(index_, [this] { tun_turn(); });
}

void Shard::wait_bind(const Tables& tables) {
  tables.bind.async_readable(index_, [this] { bind_turn(); });
}

void Shard::tun_turn() {
  assert(executor_.get_executor().running_in_this_thread());
  for (int i = 0; i < kBatchesPerTurn; i++) {
    const auto pass = context_.gate.pass();
    if (!read_batch(*pass)) return wait_tun();
  }
  boost::asio::post(executor_, [this] { tun_turn(); });
}

bool Shard::read_batch(const Tables& tables) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  bool dry = false;
  while (!dry && count < read_.size() && bytes < kReadBatchBytes) {
    // Into the same room each time: what has been cut from it is still in the cache.
    const tun::ReadBatch batch = context_.wiring.tun.read(index_, {room_.get(), tun::kReadRoom},
                                                          std::span(read_).subspan(count));
    for (const tun::SuperPacket& packet : std::span(read_).subspan(count, batch.packets)) {
      bytes += packet.size();
      outbound_.add(tables, packet);
    }
    count += batch.packets;
    dry = batch.dry;
  }
  outbound_.flush(tables);
  return !dry;
}

void Shard::bind_turn() {
  assert(executor_.get_executor().running_in_this_thread());
  for (int i = 0; i < kBatchesPerTurn; i++) {
    const auto pass = context_.gate.pass();
    const auto room = writer_.room();
    if (room.empty()) return;  // whoever writes is behind: goes on when it has given some back
    if (!receive_batch(*pass, room)) {
      // What the host answers at once (an echo, TCP's handshakes) is there already: it needs no
      // wake-up.
      if (index_ < context_.wiring.tun.properties().queues) (void)read_batch(*pass);
      return wait_bind(*pass);
    }
  }
  boost::asio::post(executor_, [this] { bind_turn(); });
}

bool Shard::receive_batch(const Tables& tables, std::span<std::byte> room) {
  std::array<conn::ReceivedTrain, conn::kReceiveTrainsMax> trains;
  const auto receive = [&] {
    const conn::Received received = tables.bind.receive(index_, room, trains);
    if (received.malformed > 0) {
      context_.drops.add(DropReason::OuterMalformed, received.malformed);
    }
    return received;
  };
  conn::Received received = receive();
  if (received.trains == 0) {
    writer_.flush(0, {});
    return false;
  }
  const protocol::Instant time = now();
  std::size_t bytes = inbound_.receive(tables, std::span(trains).first(received.trains), time);
  while (received.more) {
    received = receive();
    bytes += inbound_.receive(tables, std::span(trains).first(received.trains), time);
  }
  writer_.flush(bytes, time);
  return true;
}

void Shard::send_staged(const std::shared_ptr<Peer>& to) {
  // Weak: the context outlives the device, and a peer must not.
  boost::asio::post(executor_, [this, weak = std::weak_ptr(to)] {
    const auto pass = context_.gate.pass();
    const auto peer = weak.lock();
    if (!peer || !pass->up) return;
    for (const StagedPacket& packet : peer->take_staged())
      outbound_.add_staged(*pass, *peer, packet);
    outbound_.flush(*pass);
  });
}

}  // namespace wg::device
