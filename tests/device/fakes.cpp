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

std::optional<tun::SuperPacket> FakeTun::read(std::size_t, std::span<std::byte> room) noexcept {
  const auto packet = inbox_.pop();
  if (!packet) return std::nullopt;
  std::copy(packet->begin(), packet->end(), room.begin());
  return tun::SuperPacket{.bytes = room.first(packet->size()), .offload = {}};
}

bool FakeTun::write(std::size_t, std::span<const iovec> pieces, const tun::Offload&) noexcept {
  if (refuse_writes) return false;
  Bytes packet;
  for (const iovec& piece : pieces) {
    const auto* const data = static_cast<const std::byte*>(piece.iov_base);
    packet.insert(packet.end(), data, data + piece.iov_len);
  }
  if (answer_at_once) inbox_.leave(*answer_at_once);
  const std::lock_guard lock(mutex_);
  received_.push_back(std::move(packet));
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  writers_.insert(name.data());
  return true;
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

Result<std::uint16_t> FakeBind::open(std::uint16_t port) {
  if (port != 0 && port == taken_port) return std::unexpected(Failure::system(EADDRINUSE));
  open_ = true;
  return port == 0 ? 40000 : port;
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
  const auto datagram = inbox_.pop();
  if (!datagram) return {};
  const auto bytes = room.first(datagram->bytes.size());
  std::ranges::copy(datagram->bytes, bytes.begin());
  trains[0] = {
      .bytes = bytes, .segment_size = bytes.size(), .source = datagram->peer, .ecn = datagram->ecn};
  return {.trains = 1};
}

conn::SendOutcome FakeBind::send(std::size_t, conn::Endpoint& to,
                                 std::span<const conn::OutgoingTrain> trains) noexcept {
  conn::SendOutcome outcome;
  for (const conn::OutgoingTrain& train : trains) {
    for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
      if (fail_sends) {
        outcome.failed_datagrams++;
        outcome.error = ENETUNREACH;
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

TestDevice::TestDevice(std::size_t threads, device::HelpMode help)
    : shards(threads), device(shards, tun, bind, {.help = help, .key_log = nullptr}, silent_log()) {
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
