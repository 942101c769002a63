#include "conn/unauthenticated.hpp"

#include <algorithm>

namespace wg::conn {

UnauthenticatedBounds UnauthenticatedBounds::with_descriptors(rlim_t limit) noexcept {
  UnauthenticatedBounds bounds;
  if (limit != RLIM_INFINITY) {
    bounds.connections =
        std::clamp<std::size_t>(static_cast<std::size_t>(limit / 4), 1, bounds.connections);
  }
  bounds.of_one_source = std::min(bounds.of_one_source, bounds.connections);
  return bounds;
}

UnauthenticatedBounds UnauthenticatedBounds::of_this_process() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? with_descriptors(limit.rlim_cur)
                                                 : UnauthenticatedBounds{};
}

std::vector<StreamConnectionPtr> Unauthenticated::add(const StreamConnectionPtr& connection) {
  std::vector<StreamConnectionPtr> evicted;
  const auto same_source = [key = connection->remote().rate_key()](const auto& other) {
    return other.second.connection->remote().rate_key() == key;
  };
  if (static_cast<std::size_t>(std::ranges::count_if(entries_, same_source)) >=
      bounds_.of_one_source) {
    evicted.push_back(take(std::ranges::find_if(entries_, same_source)));
  }
  if (entries_.size() >= bounds_.connections) evicted.push_back(take(entries_.begin()));
  entries_.emplace(connection->number(), Entry{.connection = connection});
  return evicted;
}

void Unauthenticated::remove(const StreamConnection& connection) noexcept {
  const auto found = entries_.find(connection.number());
  if (found != entries_.end()) (void)take(found);
}

std::vector<StreamConnectionPtr> Unauthenticated::occupies(const StreamConnection& connection,
                                                           std::size_t bytes) {
  const auto found = entries_.find(connection.number());
  if (found == entries_.end()) return {};
  bytes_ += bytes - found->second.bytes;
  found->second.bytes = bytes;
  std::vector<StreamConnectionPtr> evicted;
  for (auto next = entries_.begin(); bytes_ > bounds_.bytes && next != entries_.end();) {
    const auto oldest = next++;
    if (oldest->second.bytes > 0) evicted.push_back(take(oldest));
  }
  return evicted;
}

StreamConnectionPtr Unauthenticated::take_oldest() {
  return entries_.empty() ? nullptr : take(entries_.begin());
}

void Unauthenticated::clear() noexcept {
  entries_.clear();
  bytes_ = 0;
}

StreamConnectionPtr Unauthenticated::take(Entries::iterator position) {
  StreamConnectionPtr connection = std::move(position->second.connection);
  bytes_ -= position->second.bytes;
  entries_.erase(position);
  return connection;
}

}  // namespace wg::conn
