// Connections that were accepted and have not said anything authentic yet. Anybody can open one, so
// they are few, hold little and end soon.
//
// When there are too many, or too much of what they have sent waits for the rest of its frame, the
// oldest gives way and not the newest: who is honest authenticates at once, so a flood cannot lock
// the door. A frame of any length may come first, since a peer whose session lives sends its data
// right away on a new connection.
//
// Guarded by: the bind's lock.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <vector>

#include "conn/stream_connection.hpp"

namespace wg::conn {

struct UnauthenticatedBounds {
  std::size_t of_one_source = 64;
  std::size_t connections = 1024;
  /// Memory for the beginnings of frames, of all together.
  std::size_t bytes = 4 << 20;
  /// For so long a connection may stay unauthenticated.
  std::chrono::milliseconds time = std::chrono::seconds(10);

  /// A quarter of the descriptors that a process may have is theirs, within the bounds above.
  [[nodiscard]] static UnauthenticatedBounds with_descriptors(rlim_t limit) noexcept;
  [[nodiscard]] static UnauthenticatedBounds of_this_process() noexcept;
};

class Unauthenticated {
 public:
  explicit Unauthenticated(const UnauthenticatedBounds& bounds) noexcept : bounds_(bounds) {}

  [[nodiscard]] const UnauthenticatedBounds& bounds() const noexcept { return bounds_; }
  /// Returns those that give way for it: the oldest of its source, the oldest of all.
  [[nodiscard]] std::vector<StreamConnectionPtr> add(const StreamConnectionPtr& connection);
  /// It has authenticated, or ended.
  void remove(const StreamConnection& connection) noexcept;
  /// It occupies so many bytes now; returns those that give way for them. Nothing, if it is not one
  /// of these.
  [[nodiscard]] std::vector<StreamConnectionPtr> occupies(const StreamConnection& connection,
                                                          std::size_t bytes);
  /// Removes the oldest and returns it; null: there is none.
  [[nodiscard]] StreamConnectionPtr take_oldest();
  void clear() noexcept;

 private:
  struct Entry {
    StreamConnectionPtr connection;
    std::size_t bytes = 0;
  };
  using Entries = std::map<std::uint64_t, Entry>;  // by number, so the oldest first

  [[nodiscard]] StreamConnectionPtr take(Entries::iterator position);

  const UnauthenticatedBounds bounds_;
  Entries entries_;
  std::size_t bytes_ = 0;  // of all
};

}  // namespace wg::conn
