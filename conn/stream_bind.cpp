#include "conn/stream_bind.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

namespace wg::conn {
namespace {

using boost::asio::posix::stream_descriptor;
using Clock = std::chrono::steady_clock;

constexpr int kAcceptsPerTurn = 64;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // when descriptors have run out
/// A connection on which the peer has spoken so lately lives for certain.
constexpr auto kFresh = std::chrono::seconds(3);
/// After so long without a word either way, the connection that lost against another one is closed.
constexpr auto kIdleBeforeRetiring = std::chrono::seconds(30);

}  // namespace

StreamBind::StreamBind(StreamNetwork network, std::vector<boost::asio::io_context*> shards,
                       std::shared_ptr<spdlog::logger> log)
    : network_(network), log_(std::move(log)) {
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
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

// ---- Opening and closing

Result<std::uint16_t> StreamBind::open(std::uint16_t port) {
  std::vector<std::shared_ptr<Listener>> added;
  std::vector<std::shared_ptr<Listener>> replaced;
  {
    const std::lock_guard lock(mutex_);
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
    boost::asio::post(shards_[0].context, [this, listener] { wait_for_strangers(listener); });
  }
  return port;
}

void StreamBind::close() noexcept {
  std::vector<std::shared_ptr<Listener>> listeners;
  std::unordered_map<std::uint64_t, StreamConnectionPtr> connections;
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    listeners.swap(listeners_);
    connections.swap(connections_);
    strangers_.clear();
    diallers_.clear();
  }
  for (const auto& listener : listeners) listener->close();
  for (const auto& [number, connection] : connections) connection->end("the interface went down");
}

Result<void> StreamBind::set_mark(std::uint32_t mark) {
  std::vector<StreamConnectionPtr> connections;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& listener : listeners_) {
      const std::lock_guard listening(listener->mutex);
      if (auto marked = conn::set_mark(listener->descriptor.native_handle(), mark); !marked) {
        return marked;
      }
    }
    for (const auto& [number, connection] : connections_) connections.push_back(connection);
    mark_ = mark;
  }
  for (const auto& connection : connections) {
    if (auto marked = connection->set_mark(mark); !marked) return marked;
  }
  return {};
}

// ---- Strangers

void StreamBind::wait_for_strangers(const std::shared_ptr<Listener>& listener) {
  const std::lock_guard lock(listener->mutex);
  if (!listener->descriptor.is_open()) return;
  listener->descriptor.async_wait(
      stream_descriptor::wait_read,
      [this, weak = std::weak_ptr(listener)](const boost::system::error_code& error) {
        if (const auto alive = weak.lock(); !error && alive) accept_all(alive);
      });
}

void StreamBind::accept_all(const std::shared_ptr<Listener>& listener) {
  for (int i = 0; i < kAcceptsPerTurn; i++) {
    std::optional<Accepted> accepted;
    int error = 0;
    {
      const std::lock_guard lock(listener->mutex);
      if (!listener->descriptor.is_open()) return;
      accepted = accept_from(listener->descriptor.native_handle());
      error = errno;
    }
    if (accepted) {
      take_in(std::move(*accepted));
    } else if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
      log_->error("cannot accept connections: {}; trying again", Failure::system(error).text());
      const auto timer = std::make_shared<boost::asio::steady_timer>(shards_[0].context);
      timer->expires_after(kAcceptPause);
      timer->async_wait([this, timer, listener](const boost::system::error_code&) {
        wait_for_strangers(listener);
      });
      return;
    } else if (error == EAGAIN) {
      break;
    }  // else that one is gone, and perhaps the next is not
  }
  wait_for_strangers(listener);
}

void StreamBind::take_in(Accepted accepted) {
  StreamConnectionPtr connection;
  std::vector<StreamConnectionPtr> evicted;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return;
    evicted = make_room_for(accepted.from);
    connection = make(std::move(accepted.fd), accepted.from, true);
    strangers_.push_back(connection);
  }
  for (const auto& old : evicted) old->end("too many connections that do not authenticate");
  log_->debug("{}: accepted", connection->remote().text());
  connection->start();
  connection->end_after(kStrangerTime, "it has not authenticated in time",
                        [](const StreamConnection& c) { return c.authenticated(); });
}

StreamConnectionPtr StreamBind::make(Descriptor fd, const Endpoint& remote, bool accepted) {
  const std::uint64_t number = next_number_++;
  Endpoint numbered = remote;
  numbered.set_connection({.number = number, .accepted = accepted});
  const auto shard = static_cast<std::size_t>(number % shards_.size());
  auto connection = std::make_shared<StreamConnection>(
      static_cast<Keeper&>(*this), shards_[shard].context, shard, std::move(fd), numbered,
      accepted ? StreamConnection::Phase::Open : StreamConnection::Phase::Connecting);
  connections_.emplace(number, connection);
  return connection;
}

/// Those who must go for it: the oldest of its source, the oldest of all.
std::vector<StreamConnectionPtr> StreamBind::make_room_for(const Endpoint& stranger) {
  std::vector<StreamConnectionPtr> evicted;
  const auto evict = [&](auto position) {
    evicted.push_back(*position);
    strangers_.erase(position);
  };
  const auto same_source = [key = stranger.rate_key()](const StreamConnectionPtr& other) {
    return other->remote().rate_key() == key;
  };
  if (static_cast<std::size_t>(std::ranges::count_if(strangers_, same_source)) >=
      kStrangersOfOneSourceMax) {
    evict(std::ranges::find_if(strangers_, same_source));
  }
  if (strangers_.size() >= kStrangersMax) evict(strangers_.begin());
  return evicted;
}

// ---- Dialling

StreamConnectionPtr StreamBind::find(const Endpoint& to) const {
  const auto numbered = connections_.find(to.connection().number);
  if (numbered != connections_.end() && !numbered->second->over()) return numbered->second;
  const auto dialler = diallers_.find(to);
  return dialler == diallers_.end() ? nullptr : dialler->second->connection;
}

StreamConnectionPtr StreamBind::dial(const DiallerPtr& dialler) {
  auto fd = begin_connect(dialler->to, mark_);
  if (!fd) {
    dialler->failures++;
    pause(dialler, fd.error().text());
    return nullptr;
  }
  dialler->connection = make(std::move(*fd), dialler->to, false);
  dialler->connection->adopt(std::exchange(dialler->pending, {}));
  return dialler->connection;
}

/// After a failure: no attempt until the pause is over; under `mutex_`.
void StreamBind::pause(const DiallerPtr& dialler, const std::string& why) {
  const unsigned doublings = std::min(dialler->failures - 1, 6u);
  const auto whole =
      std::min<std::chrono::milliseconds>(kBackOffMin * (1u << doublings), kBackOffMax);
  // From three quarters of it to the whole: those who failed together do not come back together.
  std::uniform_int_distribution<std::int64_t> share(whole.count() * 3 / 4, whole.count());
  const std::chrono::milliseconds time(share(jitter_));
  log_->debug("{}: {}; dialling again in {} ms at the earliest", dialler->to.text(), why,
              time.count());
  dialler->pausing = true;
  boost::asio::post(shards_[0].context, [this, weak = std::weak_ptr(dialler), time] {
    const auto alive = weak.lock();
    if (!alive) return;
    alive->timer.expires_after(time);
    alive->timer.async_wait([this, weak](const boost::system::error_code& error) {
      if (const auto dialling = weak.lock(); !error && dialling) pause_over(dialling);
    });
  });
}

void StreamBind::pause_over(const DiallerPtr& dialler) {
  StreamConnectionPtr attempt;
  {
    const std::lock_guard lock(mutex_);
    const auto known = diallers_.find(dialler->to);
    if (known == diallers_.end() || known->second != dialler) return;  // released meanwhile
    dialler->pausing = false;
    (void)dialler->pending.drop_old(Clock::now());
    if (!dialler->pending.empty()) attempt = dial(dialler);
  }
  if (attempt) attempt->start();
}

bool StreamBind::connected(const Endpoint& endpoint) const noexcept {
  const std::lock_guard lock(mutex_);
  const auto numbered = connections_.find(endpoint.connection().number);
  return numbered != connections_.end() && !numbered->second->over();
}

Endpoint StreamBind::after_loss(const Endpoint& current,
                                const Endpoint& configured) const noexcept {
  if (current.connection().accepted) return configured;
  Endpoint again = current;
  again.set_connection({});
  return again;
}

void StreamBind::release(const Endpoint& endpoint) noexcept {
  std::vector<StreamConnectionPtr> orphans;
  {
    const std::lock_guard lock(mutex_);
    if (const auto numbered = connections_.find(endpoint.connection().number);
        numbered != connections_.end()) {
      orphans.push_back(numbered->second);
    }
    if (const auto dialler = diallers_.find(endpoint); dialler != diallers_.end()) {
      if (dialler->second->connection) orphans.push_back(dialler->second->connection);
      diallers_.erase(dialler);
    }
  }
  for (const auto& connection : orphans) {
    connection->belongs_to({});
    connection->end("nobody is reached there any more");
  }
}

// ---- What connections tell

void StreamBind::connected(const StreamConnectionPtr& connection) {
  log_->debug("{}: connected", connection->remote().text());
}

void StreamBind::readable(const StreamConnectionPtr& connection) {
  Shard& shard = shards_[connection->shard()];
  shard.readable.push_back(connection);
  if (auto ready = std::exchange(shard.ready, nullptr)) ready();
}

void StreamBind::dropped(const StreamConnectionPtr& connection, std::size_t frames) {
  {
    const std::lock_guard lock(mutex_);
    if (Clock::now() - drops_told_ < std::chrono::seconds(1)) return;
    drops_told_ = Clock::now();
  }
  log_->debug("{}: takes too little: {} messages waited too long and were dropped",
              connection->remote().text(), frames);
}

void StreamBind::ended(const StreamConnectionPtr& connection, const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection->number());
    std::erase(strangers_, connection);
    const auto found = diallers_.find(connection->remote());
    if (found != diallers_.end() && found->second->connection == connection) {
      const DiallerPtr& dialler = found->second;
      dialler->connection = nullptr;
      dialler->pending = connection->take_queue();
      // One on which the peer has spoken may be dialled again at once.
      dialler->failures = connection->authenticated() ? 0 : dialler->failures + 1;
      if (dialler->failures > 0) pause(dialler, why);
    }
  }
  log_->debug("{}: connection ended: {}", connection->remote().text(), why);
  if (const auto correspondent = connection->correspondent()) {
    correspondent->connection_lost(connection->remote(), !connection->accepted());
  }
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

Received StreamBind::hand_out(Shard& shard, std::span<ReceivedTrain> trains) {
  std::size_t count = 0;
  while (!shard.current->over()) {
    if (count == trains.size()) return {.trains = count, .more = true};
    const Frame frame = first_frame(shard.left);
    if (frame.status == FrameStatus::Incomplete) break;
    if (frame.status != FrameStatus::Whole) {
      shard.current->end(reason_of(frame.status));
      break;
    }
    trains[count++] = {.bytes = frame.message,
                       .segment_size = frame.message.size(),
                       .source = shard.current->remote()};
    shard.left = shard.left.subspan(frame.size);
  }
  const StreamConnectionPtr done = std::exchange(shard.current, nullptr);
  if (done->over()) return {.trains = count};
  done->carry_over(shard.left);
  if (shard.full) {
    shard.readable.push_back(done);  // the others first
  } else {
    done->wait_readable();
  }
  return {.trains = count};
}

Received StreamBind::receive(std::size_t index, std::span<std::byte> room,
                             std::span<ReceivedTrain> trains) noexcept {
  Shard& shard = shards_[index];
  if (shard.current) return hand_out(shard, trains);
  while (!shard.readable.empty()) {
    const StreamConnectionPtr next = shard.readable.front();
    shard.readable.pop_front();
    const std::size_t size = next->read(room.first(kReadBytesMax), shard.full);
    if (size > 0) {
      shard.current = next;
      shard.left = room.first(size);
      const Received received = hand_out(shard, trains);
      if (received.trains > 0) return received;
    } else if (!next->over()) {
      next->wait_readable();
    }
  }
  return {};
}

// ---- Sending

SendOutcome StreamBind::send(std::size_t, Endpoint& to,
                             std::span<const OutgoingTrain> trains) noexcept {
  StreamConnectionPtr connection;
  StreamConnectionPtr attempt;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return refused(trains, ENOTCONN);
    connection = find(to);
    if (!connection && to.connection().accepted) return refused(trains, ENOTCONN);
    if (!connection) {
      DiallerPtr& dialler = diallers_[to];
      if (!dialler) dialler = std::make_shared<Dialler>(shards_[0].context, to);
      if (!dialler->pausing) connection = attempt = dial(dialler);
      if (!connection) {
        Datagrams datagrams(trains);
        SendOutcome outcome;
        outcome.failed_datagrams = dialler->pending.push_all(datagrams, Clock::now());
        if (outcome.failed_datagrams > 0) outcome.error = ENOBUFS;
        return outcome;
      }
    }
  }
  const SendOutcome outcome = connection->send(trains);
  if (attempt) attempt->start();
  return outcome;
}

// ---- Which connection to a peer

bool StreamBind::ours_stays(const StreamConnection& ours) const {
  // Both sides know both listeners: we have dialled theirs, they have dialled ours. The connection
  // that the smaller one has dialled stays.
  const auto listener = [](const Endpoint& address, std::uint32_t port) {
    auto identity = address.identity();
    return std::pair(std::string(reinterpret_cast<const char*>(identity.bytes.data()),
                                 identity.size - address.port_bytes()),
                     port);
  };
  const auto mine = listener(ours.local(), port_);
  const auto theirs = listener(ours.remote(), ours.remote().port());
  return mine < theirs;
}

Endpoint StreamBind::settle(const Endpoint& current, const Endpoint& from,
                            std::weak_ptr<Correspondent> sender) noexcept {
  StreamConnectionPtr spoken_on;
  StreamConnectionPtr used;
  bool listening = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(from.connection().number);
    if (found == connections_.end()) return from;
    spoken_on = found->second;
    if (!spoken_on->authenticated()) std::erase(strangers_, spoken_on);
    const auto other = connections_.find(current.connection().number);
    if (other != connections_.end()) used = other->second;
    listening = port_ != 0;
  }
  spoken_on->belongs_to(std::move(sender));
  if (!used || used == spoken_on || used->over() || used->accepted() == spoken_on->accepted() ||
      !listening || !used->heard_within(kFresh)) {
    return from;
  }
  // Both ends have dialled at once.
  const StreamConnection& ours = used->accepted() ? *spoken_on : *used;
  const bool keep_ours = ours_stays(ours);
  const StreamConnectionPtr& stays = keep_ours == !used->accepted() ? used : spoken_on;
  const StreamConnectionPtr& leaves = stays == used ? spoken_on : used;
  if (!leaves->accepted()) {  // whoever has dialled it ends it
    leaves->end_after(kIdleBeforeRetiring, "another connection to the same peer is used",
                      [](StreamConnection& c) { return !c.quiet_for(kIdleBeforeRetiring / 2); });
  }
  return stays == used ? current : from;
}

}  // namespace wg::conn
