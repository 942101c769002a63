#include "tests/device/fakes.hpp"

#include <boost/asio/post.hpp>
#include <cerrno>

namespace wg::test {

template <class Item>
void Mailbox<Item>::push(Item item, bool at_front) {
  const std::lock_guard lock(mutex_);
  items_.insert(at_front ? items_.begin() : items_.end(), std::move(item));
  if (ready_) boost::asio::post(context_, std::exchange(ready_, nullptr));
}

template <class Item>
void Mailbox<Item>::leave(Item item) {
  const std::lock_guard lock(mutex_);
  items_.push_back(std::move(item));
}

template <class Item>
std::optional<Item> Mailbox<Item>::pop() {
  const std::lock_guard lock(mutex_);
  if (items_.empty()) return std::nullopt;
  Item item = std::move(items_.front());
  items_.pop_front();
  return item;
}

template <class Item>
void Mailbox<Item>::async_readable(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  if (items_.empty()) {
    ready_ = std::move(ready);
  } else {
    boost::asio::post(context_, std::move(ready));
  }
}

template <class Item>
void Mailbox<Item>::cancel() {
  const std::lock_guard lock(mutex_);
  ready_ = nullptr;
}

template class Mailbox<Bytes>;
template class Mailbox<FakeBind::Datagram>;

std::vector<Bytes> FakeTun::host_received() {
  const std::lock_guard lock(mutex_);
  return received_;
}

std::set<std::string> FakeTun::writers() {
  const std::lock_guard lock(mutex_);
  return writers_;
}

tun::ReadBatch FakeTun::read(std::size_t, std::span<std::byte> room,
                             std::span<tun::SuperPacket> packets) noexcept {
  tun::ReadBatch batch;
  while (batch.packets < packets.size() && room.size() >= tun::kReadRoom) {
    const auto packet = inbox_.pop();
    if (!packet) {
      batch.dry = true;
      break;
    }
    std::ranges::copy(*packet, room.begin());
    packets[batch.packets++] = {.bytes = room.first(packet->size()), .offload = {}};
    room = room.subspan(packet->size());
  }
  return batch;
}

tun::Written FakeTun::write(std::size_t, std::span<const tun::Gathered> packets) noexcept {
  tun::Written written;
  for (const tun::Gathered& packet : packets) {
    if (refuse_writes) written.error = EIO;
    if (packet.packets > 1 && refuse_joined != 0) {
      written.error = refuse_joined;
      joined_refused++;
    }
    if (written.error != 0) break;
    take(packet);
    written.packets++;
  }
  return written;
}

void FakeTun::take(const tun::Gathered& gathered) {
  Bytes packet;
  for (const iovec& piece : gathered.pieces) {
    const auto* const data = static_cast<const std::byte*>(piece.iov_base);
    packet.insert(packet.end(), data, data + piece.iov_len);
  }
  if (answer_at_once) inbox_.leave(*answer_at_once);
  const std::lock_guard lock(mutex_);
  received_.push_back(std::move(packet));
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  writers_.insert(name.data());
}

std::vector<FakeBind::Datagram> FakeBind::take_sent() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sent_, {});
}

std::optional<FakeBind::Datagram> FakeBind::next_sent(std::function<bool(const Bytes&)> wanted) {
  std::unique_lock lock(mutex_);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (;;) {
    for (auto it = sent_.begin(); it != sent_.end(); ++it) {
      if (!wanted(it->bytes)) continue;
      Datagram found = std::move(*it);
      sent_.erase(sent_.begin(), it + 1);
      return found;
    }
    if (changed_.wait_until(lock, limit) == std::cv_status::timeout) return std::nullopt;
  }
}

void FakeBind::release(const conn::Endpoint& endpoint) noexcept {
  const std::lock_guard lock(mutex_);
  released_.push_back(endpoint);
}

std::vector<conn::Endpoint> FakeBind::released() {
  const std::lock_guard lock(mutex_);
  return released_;
}

Result<std::uint16_t> FakeBind::open(std::uint16_t port) {
  if (port != 0 && port == taken_port) return std::unexpected(Failure::system(EADDRINUSE));
  open_ = true;
  port_ = port == 0 ? 40000 : port;
  return port_;
}

void FakeBind::close() noexcept {
  open_ = false;
  inbox_.cancel();
}

Result<void> FakeBind::set_mark(std::uint32_t value) {
  mark = value;
  return {};
}

conn::Received FakeBind::receive(std::size_t, std::span<std::byte> room,
                                 std::span<conn::ReceivedTrain> trains) noexcept {
  if (!open_) return {};
  conn::Received received;
  while (received.trains < trains.size() && room.size() >= conn::kTrainRoom) {
    const auto datagram = inbox_.pop();
    if (!datagram) break;
    const auto bytes = room.first(datagram->bytes.size());
    std::ranges::copy(datagram->bytes, bytes.begin());
    trains[received.trains++] = {.bytes = bytes,
                                 .segment_size = bytes.size(),
                                 .source = datagram->peer,
                                 .ecn = datagram->ecn};
    room = room.subspan(conn::kTrainRoom);
  }
  return received;
}

conn::SendOutcome FakeBind::send(std::size_t, conn::Endpoint& to,
                                 std::span<const conn::OutgoingTrain> trains) noexcept {
  if (gone && to == *gone) return conn::refused(trains, ENOTCONN);
  conn::SendOutcome outcome;
  for (const conn::OutgoingTrain& train : trains) {
    for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
      if (fail_sends) {
        outcome.fail(std::min(train.segment_size, train.bytes.size() - at), ENETUNREACH);
        continue;
      }
      const auto bytes =
          train.bytes.subspan(at, std::min(train.segment_size, train.bytes.size() - at));
      Datagram datagram{
          {bytes.begin(), bytes.end()}, to, static_cast<conn::Ecn>(train.traffic_class & 3)};
      if (forward) {
        forward(datagram);
        continue;
      }
      const std::lock_guard lock(mutex_);
      sent_.push_back(std::move(datagram));
      changed_.notify_all();
    }
  }
  return outcome;
}

namespace {

FakeTun& joining(FakeTun& tun, bool joins) {
  if (joins) tun.join();
  return tun;
}

}  // namespace

TestDevice::TestDevice(std::size_t threads, device::PipelineMode pipeline, bool joins)
    : shards(threads),
      device(shards, joining(tun, joins), bind, {.pipeline = pipeline, .key_log = nullptr},
             silent_log()) {
  device.start();
  settings::Settings settings;
  settings.private_key = private_key;
  if (!device.apply(settings) || !device.set_up()) throw std::runtime_error("the device is not up");
}

void TestDevice::add_peer(const crypto::PublicKey& key, std::vector<std::string> allowed_ips,
                          const std::string& endpoint) {
  settings::Settings settings;
  settings::PeerSettings& peer = settings.peers.emplace_back();
  peer.public_key = key;
  for (const std::string& text : allowed_ips) {
    peer.allowed_ips.push_back({.prefix = settings::Prefix::parse(text).value()});
  }
  if (!endpoint.empty()) peer.endpoint = endpoint;
  if (!device.apply(settings)) throw std::runtime_error("the peer was refused");
}

}  // namespace wg::test
