#include "conn/peer_connections.hpp"

#include <algorithm>

namespace wg::conn {

std::vector<StreamConnectionPtr> PeerConnections::add(const ConnectionListener& peer,
                                                      const StreamConnectionPtr& connection,
                                                      const Connection& current) {
  const auto known = peer_of_.find(connection->number());
  if (known != peer_of_.end() && known->second == &peer) return {};
  remove(*connection);  // it was another peer's
  auto& connections = of_peer_[&peer];
  std::vector<StreamConnectionPtr> evicted;
  while (connections.size() >= kOfOnePeerMax) {
    const auto silent = std::ranges::min_element(connections, {}, [&](const auto& other) {
      return std::pair(other->number() == current.number, other->heard());
    });
    peer_of_.erase((*silent)->number());
    evicted.push_back(std::move(*silent));
    connections.erase(silent);
  }
  connections.push_back(connection);
  peer_of_[connection->number()] = &peer;
  return evicted;
}

void PeerConnections::remove(const StreamConnection& connection) noexcept {
  const auto known = peer_of_.find(connection.number());
  if (known == peer_of_.end()) return;
  const auto connections = of_peer_.find(known->second);
  std::erase_if(connections->second,
                [&](const auto& other) { return other->number() == connection.number(); });
  if (connections->second.empty()) of_peer_.erase(connections);
  peer_of_.erase(known);
}

std::vector<StreamConnectionPtr> PeerConnections::take_all(const ConnectionListener& peer) {
  const auto found = of_peer_.find(&peer);
  if (found == of_peer_.end()) return {};
  std::vector<StreamConnectionPtr> connections = std::move(found->second);
  of_peer_.erase(found);
  for (const auto& connection : connections) peer_of_.erase(connection->number());
  return connections;
}

void PeerConnections::clear() noexcept {
  of_peer_.clear();
  peer_of_.clear();
}

}  // namespace wg::conn
