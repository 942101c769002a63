// The connections on which each peer has authenticated.
//
// A peer needs one, and two while both sides dial or while it calls anew; each time that it calls
// the old one may not have noticed yet that it is dead. So a few are kept, and of more the one that
// has been silent for longest ends, but never the one that its peer is reached on.
//
// Guarded by: the bind's lock.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "conn/stream_connection.hpp"

namespace wg::conn {

class PeerConnections {
 public:
  static constexpr std::size_t kOfOnePeerMax = 4;

  /// `peer` has spoken on the connection, and is reached on `current`, perhaps another one. Returns
  /// those that end for it.
  [[nodiscard]] std::vector<StreamConnectionPtr> add(const ConnectionListener& peer,
                                                     const StreamConnectionPtr& connection,
                                                     const Connection& current);
  /// It has ended.
  void remove(const StreamConnection& connection) noexcept;
  /// Removes all of the peer's, and returns them.
  [[nodiscard]] std::vector<StreamConnectionPtr> take_all(const ConnectionListener& peer);
  void clear() noexcept;

 private:
  // Only to tell peers apart: the pointers are never followed.
  std::unordered_map<const ConnectionListener*, std::vector<StreamConnectionPtr>> of_peer_;
  /// By the connection's number.
  std::unordered_map<std::uint64_t, const ConnectionListener*> peer_of_;
};

}  // namespace wg::conn
