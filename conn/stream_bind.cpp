#include "conn/stream_bind.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cassert>
#include <cerrno>

namespace wg::conn {
namespace {

using boost::asio::posix::stream_descriptor;
using Clock = std::chrono::steady_clock;

constexpr int kAcceptsPerTurn = 64;
/// When descriptors have run out, and nobody can give way.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr auto kAcceptFailuresLogged = std::chrono::seconds(5);
/// At debug level.
constexpr unsigned kUnauthenticatedLinesPerSecond = 20;
/// A connection on which the peer has spoken so lately lives for certain.
constexpr auto kFresh = std::chrono::seconds(3);
/// After so long without a word either way, the connection that lost against another one is closed.
constexpr auto kIdleBeforeRetiring = std::chrono::seconds(15);

}  // namespace

StreamBind::StreamBind(StreamNetwork network, std::vector<boost::asio::io_context*> shards,
                       std::shared_ptr<spdlog::logger> log, const UnauthenticatedBounds& bounds)
    : network_(network), log_(std::move(log)), unauthenticated_(bounds) {
  shards_.reserve(shards.size());
  for (boost::asio::io_context* context : shards) {
    shards_.push_back(
        {.context = *context, .readable = {}, .current = nullptr, .left = {}, .ready = nullptr});
  }
}

StreamBind::~StreamBind() {
  close();
}

std::size_t StreamBind::connections() const {
  const Lock lock(mutex_);
  return connections_.size();
}

// ---- Opening and closing

Result<std::uint16_t> StreamBind::open(std::uint16_t port) {
  std::vector<std::shared_ptr<Listener>> added;
  std::vector<std::shared_ptr<Listener>> replaced;
  {
    const Lock lock(mutex_);
    if (open_ && port == port_) return port;
    if (port != 0) {
      auto listeners = listen_on(network_, port, mark_);
      if (!listeners) return std::unexpected(listeners.error());
      for (Descriptor& fd : *listeners) {
        added.push_back(std::make_shared<Listener>(shards_[0].context, std::move(fd)));
      }
    }
    replaced = std::exchange(listeners_, added);
    port_ = port;
    open_ = true;
  }
  for (const auto& listener : replaced) listener->close();
  for (const auto& listener : added) {
    boost::asio::post(shards_[0].context, [this, listener] { wait_to_accept(listener); });
  }
  return port;
}

void StreamBind::close() noexcept {
  std::vector<std::shared_ptr<Listener>> listeners;
  std::unordered_map<std::uint64_t, StreamConnectionPtr> connections;
  {
    const Lock lock(mutex_);
    open_ = false;
    listeners.swap(listeners_);
    connections.swap(connections_);
    unauthenticated_.clear();
    peers_.clear();
    for (const auto& [to, dialler] : diallers_) lost_later_ += dialler->waiting();
    diallers_.clear();
  }
  for (const auto& listener : listeners) listener->close();
  for (const auto& [number, connection] : connections) connection->end("the interface went down");
}

Result<void> StreamBind::set_mark(std::uint32_t mark) {
  std::uint32_t before = 0;
  {
    const Lock lock(mutex_);
    before = std::exchange(mark_, mark);
  }
  auto marked = mark_all(mark);
  if (!marked) {
    {
      const Lock lock(mutex_);
      mark_ = before;
    }
    (void)mark_all(before);  // those that have taken the new one
  }
  return marked;
}

Result<void> StreamBind::mark_all(std::uint32_t mark) {
  std::vector<StreamConnectionPtr> connections;
  {
    const Lock lock(mutex_);
    for (const auto& listener : listeners_) {
      const Lock listening(listener->mutex);
      if (auto marked = conn::set_mark(listener->descriptor.native_handle(), mark); !marked) {
        return marked;
      }
    }
    for (const auto& [number, connection] : connections_) connections.push_back(connection);
  }
  for (const auto& connection : connections) {
    if (auto marked = connection->set_mark(mark); !marked) return marked;
  }
  return {};
}

// ---- Accepting

void StreamBind::wait_to_accept(const std::shared_ptr<Listener>& listener) {
  const Lock lock(listener->mutex);
  if (!listener->descriptor.is_open()) return;
  assert(shards_[0].context.get_executor().running_in_this_thread());
  listener->descriptor.async_wait(
      stream_descriptor::wait_read,
      [this, weak = std::weak_ptr(listener)](const boost::system::error_code& error) {
        if (const auto alive = weak.lock(); !error && alive) accept_all(alive);
      });
}

void StreamBind::accept_all(const std::shared_ptr<Listener>& listener) {
  assert(shards_[0].context.get_executor().running_in_this_thread());
  for (int i = 0; i < kAcceptsPerTurn; i++) {
    std::optional<Accepted> accepted;
    int error = 0;
    {
      const Lock lock(listener->mutex);
      if (!listener->descriptor.is_open()) return;
      accepted = accept_from(listener->descriptor.native_handle());
      error = errno;
    }
    if (accepted) {
      take_in(std::move(*accepted));
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      if (make_room(error)) continue;
      const auto timer = std::make_shared<boost::asio::steady_timer>(shards_[0].context);
      timer->expires_after(kAcceptPause);
      timer->async_wait([this, timer, weak = std::weak_ptr(listener)](const auto&) {
        if (const auto alive = weak.lock()) wait_to_accept(alive);
      });
      return;
    } else if (error == EAGAIN) {
      break;
    }  // else that one is gone, and perhaps the next is not
  }
  wait_to_accept(listener);
}

bool StreamBind::make_room(int error) {
  accept_failures_.count++;
  if (const auto now = Clock::now(); now - accept_failures_.told >= kAcceptFailuresLogged) {
    log_->error(
        "cannot accept connections: {} ({} times since it was said last); those that have "
        "not authenticated give way",
        Failure::system(error).text(), accept_failures_.count);
    accept_failures_ = {.count = 0, .told = now};
  }
  StreamConnectionPtr oldest;
  {
    const Lock lock(mutex_);
    oldest = unauthenticated_.take_oldest();
  }
  if (!oldest) return false;
  oldest->end("descriptors or memory have run out");
  return true;
}

void StreamBind::take_in(Accepted accepted) {
  StreamConnectionPtr connection;
  std::vector<StreamConnectionPtr> evicted;
  std::chrono::milliseconds time{};
  {
    const Lock lock(mutex_);
    if (!open_) return;
    connection = make(std::move(accepted.fd), accepted.from, true, {});
    evicted = unauthenticated_.add(connection);
    time = unauthenticated_.bounds().time;
  }
  end_all(evicted, "too many connections that do not authenticate");
  if (may_tell_of(*connection)) log_->debug("{}: accepted", connection->remote().text());
  connection->start();
  connection->end_unless_authenticated(time, "it has not authenticated in time");
}

bool StreamBind::may_tell_of(const StreamConnection& connection) {
  if (!connection.accepted() || connection.authenticated()) return true;
  const Lock lock(mutex_);
  if (const auto now = Clock::now(); now - unauthenticated_since_ >= std::chrono::seconds(1)) {
    unauthenticated_since_ = now;
    unauthenticated_told_ = 0;
  }
  return ++unauthenticated_told_ <= kUnauthenticatedLinesPerSecond;
}

StreamConnectionPtr StreamBind::make(Descriptor fd, const Endpoint& remote, bool accepted,
                                     SendQueue queue) {
  const std::uint64_t number = next_number_++;
  Endpoint numbered = remote;
  numbered.set_connection({.number = number, .accepted = accepted});
  const auto shard = static_cast<std::size_t>(number % shards_.size());
  auto connection = std::make_shared<StreamConnection>(
      static_cast<Owner&>(*this), shards_[shard].context, shard, std::move(fd), numbered,
      accepted ? StreamConnection::Phase::Open : StreamConnection::Phase::Connecting,
      std::move(queue));
  connections_.emplace(number, connection);
  return connection;
}

void StreamBind::note_occupied(const StreamConnectionPtr& connection) {
  if (connection->authenticated() || !connection->accepted()) return;
  std::vector<StreamConnectionPtr> evicted;
  {
    const Lock lock(mutex_);
    evicted = unauthenticated_.occupies(*connection, connection->occupied());
  }
  end_all(evicted, "too much has come on connections that do not authenticate");
}

void StreamBind::end_all(std::span<const StreamConnectionPtr> connections, const char* why) {
  for (const auto& connection : connections) connection->end(why);
}

void StreamBind::end_silently(std::span<const StreamConnectionPtr> connections, const char* why) {
  for (const auto& connection : connections) {
    connection->clear_peer();
    connection->end(why);
  }
}

// ---- Dialling

StreamConnectionPtr StreamBind::find_live(const Connection& connection) const {
  const auto found = connections_.find(connection.number);
  return found == connections_.end() || found->second->over() ? nullptr : found->second;
}

StreamConnectionPtr StreamBind::dial(const DiallerPtr& dialler) {
  auto fd = begin_connect(dialler->to(), mark_);
  if (!fd) {
    dialler->call_failed();
    pause(dialler, fd.error().text());
    return nullptr;
  }
  auto connection = make(std::move(*fd), dialler->to(), false, dialler->take_waiting());
  dialler->called(connection);
  return connection;
}

void StreamBind::pause(const DiallerPtr& dialler, const std::string& why) {
  const std::chrono::milliseconds time = dialler->pause(jitter_);
  log_->debug("{}: {}; dialling again in {} ms at the earliest", dialler->to().text(), why,
              time.count());
  const auto timer = std::make_shared<boost::asio::steady_timer>(shards_[0].context);
  timer->expires_after(time);
  timer->async_wait([this, timer, weak = std::weak_ptr(dialler)](const auto& error) {
    if (const auto alive = weak.lock(); !error && alive) pause_over(alive);
  });
}

void StreamBind::pause_over(const DiallerPtr& dialler) {
  StreamConnectionPtr attempt;
  {
    const Lock lock(mutex_);
    const auto known = diallers_.find(dialler->to());
    if (known == diallers_.end() || known->second != dialler) return;  // released meanwhile
    lost_later_ += dialler->pause_over(Clock::now());
    if (dialler->wants_call()) attempt = dial(dialler);
  }
  if (attempt) attempt->start();
}

StreamConnectionPtr StreamBind::erase_dialler(const Endpoint& to) {
  const auto found = diallers_.find(to);
  if (found == diallers_.end()) return nullptr;
  const DiallerPtr dialler = found->second;
  lost_later_ += dialler->waiting();
  diallers_.erase(found);
  return dialler->connection();
}

void StreamBind::release(const Endpoint& endpoint) noexcept {
  std::vector<StreamConnectionPtr> orphans;
  {
    const Lock lock(mutex_);
    if (auto numbered = find_live(endpoint.connection())) orphans.push_back(std::move(numbered));
    if (auto dialled = erase_dialler(endpoint)) orphans.push_back(std::move(dialled));
  }
  end_silently(orphans, "nobody is reached there any more");
}

void StreamBind::forget(const ConnectionListener& peer) noexcept {
  std::vector<StreamConnectionPtr> orphans;
  {
    const Lock lock(mutex_);
    orphans = peers_.take_all(peer);
    for (const auto& connection : orphans) {
      // Else what it has not sent would be dialled for.
      if (!connection->accepted()) (void)erase_dialler(connection->remote());
    }
  }
  end_silently(orphans, "its peer was removed");
}

// ---- What connections tell

void StreamBind::connected(const StreamConnectionPtr& connection) {
  log_->debug("{}: connected", connection->remote().text());
}

void StreamBind::readable(const StreamConnectionPtr& connection) {
  Shard& shard = shards_[connection->shard()];
  assert(shard.context.get_executor().running_in_this_thread());
  shard.readable.push_back(connection);
  if (auto ready = std::exchange(shard.ready, nullptr)) ready();
}

void StreamBind::dropped(const StreamConnectionPtr& connection, std::size_t frames) {
  lost_later_ += frames;
  {
    const Lock lock(mutex_);
    if (Clock::now() - drops_told_ < std::chrono::seconds(1)) return;
    drops_told_ = Clock::now();
  }
  log_->debug("{}: takes too little: {} messages waited too long and were dropped",
              connection->remote().text(), frames);
}

void StreamBind::ended(const StreamConnectionPtr& connection, const std::string& why) {
  if (may_tell_of(*connection)) {
    log_->debug("{}: connection ended: {}", connection->remote().text(), why);
  }
  SendQueue left = connection->take_queue();
  std::size_t lost = left.forget_rest();
  auto peer = connection->peer();
  Endpoint known_as = connection->remote();
  StreamConnectionPtr attempt;
  {
    const Lock lock(mutex_);
    connections_.erase(connection->number());
    unauthenticated_.remove(*connection);
    peers_.remove(*connection);
    const auto found = diallers_.find(connection->remote());
    if (found != diallers_.end() && found->second->connection() == connection) {
      const DiallerPtr dialler = found->second;
      if (!connection->authenticated()) {
        known_as.set_connection({});
        if (connection->was_open()) peer = dialler->peer();
      }
      dialler->ended(std::exchange(left, {}), connection->authenticated());
      if (dialler->state() == Dialler::State::Pausing) pause(dialler, why);
      if (dialler->wants_call()) attempt = dial(dialler);
    }
  }
  lost_later_ += lost + left.frames();
  if (attempt) attempt->start();
  if (peer) peer->connection_lost(known_as, !connection->accepted());
}

// ---- Receiving

void StreamBind::async_readable(std::size_t index, std::function<void()> ready) {
  Shard& shard = shards_[index];
  if (!shard.readable.empty()) {
    boost::asio::post(shard.context, std::move(ready));
  } else {
    shard.ready = std::move(ready);
  }
}

void StreamBind::go_on_reading(Shard& shard, const StreamConnectionPtr& connection) {
  if (shard.full) {
    shard.readable.push_back(connection);  // the others first
  } else {
    connection->wait_readable();
  }
}

Received StreamBind::hand_out(Shard& shard, std::span<ReceivedTrain> trains) {
  // Also of a connection that has ended since: what has come is no worse for it.
  Received received;
  for (;;) {
    if (received.trains == trains.size()) {
      received.more = true;
      return received;
    }
    const Frame frame = first_frame(shard.left);
    if (frame.status == FrameStatus::Incomplete) break;
    if (frame.status != FrameStatus::Whole) {
      received.malformed++;
      shard.current->end(reason_of(frame.status));
      break;
    }
    trains[received.trains++] = {.bytes = frame.message,
                                 .segment_size = frame.message.size(),
                                 .source = shard.current->remote()};
    shard.left = shard.left.subspan(frame.size);
  }
  const StreamConnectionPtr done = std::exchange(shard.current, nullptr);
  if (done->over()) return received;
  done->keep(shard.left);
  note_occupied(done);
  go_on_reading(shard, done);
  return received;
}

Received StreamBind::receive(std::size_t index, std::span<std::byte> room,
                             std::span<ReceivedTrain> trains) noexcept {
  Shard& shard = shards_[index];
  if (shard.current) return hand_out(shard, trains);
  Received received;
  while (!shard.readable.empty()) {
    const StreamConnectionPtr next = shard.readable.front();
    shard.readable.pop_front();
    shard.left = next->read(room.first(kFrameMax + kReadBytesMax), shard.full);
    if (!shard.left.empty()) {
      shard.current = next;
      const Received handed = hand_out(shard, trains);
      received.trains = handed.trains;
      received.more = handed.more;
      received.malformed += handed.malformed;
      if (received.trains > 0) return received;
    } else if (!next->over()) {
      note_occupied(next);
      go_on_reading(shard, next);
    }
  }
  return received;
}

// ---- Sending

SendOutcome StreamBind::send(std::size_t, Endpoint& to,
                             std::span<const OutgoingTrain> trains) noexcept {
  StreamConnectionPtr connection;
  StreamConnectionPtr attempt;
  {
    const Lock lock(mutex_);
    if (!open_) return refused(trains, ENOTCONN);
    connection = find_live(to.connection());
    if (!connection && to.connection().accepted) return refused(trains, ENOTCONN);
    if (!connection) {
      DiallerPtr& dialler = diallers_[to];
      if (!dialler) dialler = std::make_shared<Dialler>(to);
      if (dialler->state() == Dialler::State::Idle) attempt = dial(dialler);
      connection = dialler->connection();
      if (!connection) {
        Datagrams datagrams(trains);
        SendOutcome outcome;
        lost_later_ += dialler->wait(datagrams, Clock::now(), outcome);
        return outcome;
      }
    }
  }
  const SendOutcome outcome = connection->send(trains);
  if (attempt) attempt->start();
  return outcome;
}

// ---- Which connection to a peer

bool StreamBind::ours_stays(const StreamConnection& ours, std::uint16_t port) {
  // Both sides know both listeners: we have dialled theirs, they have dialled ours. The connection
  // that the smaller one has dialled stays.
  const auto listener = [](const Endpoint& address, std::uint32_t listening) {
    auto identity = address.identity();
    return std::pair(std::string(reinterpret_cast<const char*>(identity.bytes.data()),
                                 identity.size - address.port_bytes()),
                     listening);
  };
  const auto mine = listener(ours.local(), port);
  const auto theirs = listener(ours.remote(), ours.remote().port());
  return mine < theirs;
}

bool StreamBind::stays(const StreamConnectionPtr& used, const StreamConnectionPtr& spoken_on,
                       std::uint16_t port) {
  if (!used || used == spoken_on || used->accepted() == spoken_on->accepted() || port == 0 ||
      !used->heard_within(kFresh)) {
    return false;
  }
  // Both ends have dialled at once.
  const bool used_is_ours = !used->accepted();
  const bool stay = ours_stays(used_is_ours ? *used : *spoken_on, port) == used_is_ours;
  const StreamConnectionPtr& leaves = stay ? spoken_on : used;
  if (!leaves->accepted()) {  // whoever has dialled it ends it
    leaves->end_when_quiet(kIdleBeforeRetiring, "another connection to the same peer is used");
  }
  return stay;
}

Endpoint StreamBind::roam_to(const Endpoint& current, const Endpoint& from,
                             std::weak_ptr<ConnectionListener> sender) noexcept {
  const auto peer = sender.lock();
  StreamConnectionPtr spoken_on;
  {
    const Lock lock(mutex_);
    spoken_on = find_live(from.connection());
  }
  if (!spoken_on || !spoken_on->set_peer(std::move(sender))) {
    return from.connection().accepted ? current : after_loss(from, {});
  }
  StreamConnectionPtr used;
  std::vector<StreamConnectionPtr> evicted;
  std::uint16_t port = 0;
  {
    const Lock lock(mutex_);
    unauthenticated_.remove(*spoken_on);
    // If it has ended since, its peer is being told.
    if (peer && connections_.contains(spoken_on->number())) {
      evicted = peers_.add(*peer, spoken_on, current.connection());
      const auto dialler = diallers_.find(spoken_on->remote());
      if (dialler != diallers_.end() && dialler->second->connection() == spoken_on) {
        dialler->second->set_peer(peer);
      }
    }
    used = find_live(current.connection());
    port = port_;
  }
  end_silently(evicted, "its peer has newer ones");
  return stays(used, spoken_on, port) ? current : from;
}

Endpoint StreamBind::after_loss(const Endpoint& current,
                                const Endpoint& configured) const noexcept {
  Endpoint next = current.connection().accepted || !current.known() ? configured : current;
  next.set_connection({});
  return next;
}

Endpoint StreamBind::after_setting(const Endpoint& current, const Endpoint& before,
                                   const Endpoint& configured) const noexcept {
  const bool keep =
      before.known() && before == configured && current.connection().accepted && reachable(current);
  return keep ? current : configured;
}

bool StreamBind::reachable(const Endpoint& endpoint) const noexcept {
  if (!endpoint.connection().accepted) return endpoint.known();
  const Lock lock(mutex_);
  return find_live(endpoint.connection()) != nullptr;
}

}  // namespace wg::conn
