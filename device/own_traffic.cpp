#include "device/own_traffic.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace wg::device {
namespace {

std::span<const std::byte> transport_of(const tun::InnerPacket& packet) noexcept {
  return std::span<const std::byte>(packet.bytes()).subspan(packet.header_size());
}

}  // namespace

std::size_t OwnTraffic::KeyHash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
}

OwnTraffic::Key OwnTraffic::key_of(std::span<const std::byte> address,
                                   std::span<const std::byte> port) noexcept {
  Key key;
  std::ranges::copy(address, key.bytes.begin());
  std::ranges::copy(port, key.bytes.begin() + 16);
  key.bytes.back() = static_cast<std::byte>(address.size());
  return key;
}

OwnTraffic::Key OwnTraffic::key_of(const conn::Endpoint& endpoint) noexcept {
  const auto identity = endpoint.identity();
  const auto bytes = identity.view();
  return key_of(bytes.first(bytes.size() - 2), bytes.last(2));
}

void OwnTraffic::moved(const conn::Endpoint& before, const conn::Endpoint& now) {
  const auto counts = [](const conn::Endpoint& endpoint) {
    return endpoint.family() == AF_INET || endpoint.family() == AF_INET6;
  };
  if (before == now && counts(before) == counts(now)) return;
  const Lock lock(endpoints_.mutex);
  if (counts(now)) endpoints_.peers[key_of(now)]++;
  if (!counts(before)) return;
  const auto left = endpoints_.peers.find(key_of(before));
  if (left != endpoints_.peers.end() && --left->second == 0) endpoints_.peers.erase(left);
}

bool OwnTraffic::comes_from(const tun::InnerPacket& packet, std::uint16_t port) noexcept {
  // Behind the first fragment there are no ports; those of one whose first is dropped serve nobody.
  if (!packet.v6() && (tun::load16(packet.bytes().data() + tun::field::kIpv4Fragment) & 0x1fff)) {
    return false;
  }
  const auto transport = transport_of(packet);
  return transport.size() >= tun::kUdpHeaderBytes && tun::load16(transport.data()) == port;
}

bool OwnTraffic::goes_to_a_peer(const tun::InnerPacket& packet) const noexcept {
  const Key key = key_of(packet.destination(), transport_of(packet).subspan(2, 2));
  const Lock lock(endpoints_.mutex);
  return endpoints_.peers.contains(key);
}

}  // namespace wg::device
