#include "conn/stream_connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cassert>
#include <cerrno>
#include <optional>
#include <ostream>

#include "conn/stream_socket.hpp"

namespace wg::conn {
namespace {

using boost::asio::posix::stream_descriptor;

constexpr std::size_t kFramesPerCall = 64;
/// Until a socket that the system had no memory for is tried again.
constexpr std::chrono::milliseconds kMemoryPause{20};

[[nodiscard]] SendQueue::Clock::rep ticks() noexcept {
  return SendQueue::Clock::now().time_since_epoch().count();
}

[[nodiscard]] bool within(SendQueue::Clock::rep then, std::chrono::seconds time) noexcept {
  return SendQueue::Clock::duration(ticks() - then) <= time;
}

[[nodiscard]] ssize_t receive_vectors(int fd, std::span<iovec> vectors) noexcept {
  msghdr message{.msg_name = nullptr,
                 .msg_namelen = 0,
                 .msg_iov = vectors.data(),
                 .msg_iovlen = vectors.size(),
                 .msg_control = nullptr,
                 .msg_controllen = 0,
                 .msg_flags = 0};
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got;
}

[[nodiscard]] ssize_t send_vectors(int fd, std::span<iovec> vectors) noexcept {
  const msghdr message{.msg_name = nullptr,
                       .msg_namelen = 0,
                       .msg_iov = vectors.data(),
                       .msg_iovlen = vectors.size(),
                       .msg_control = nullptr,
                       .msg_controllen = 0,
                       .msg_flags = 0};
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

}  // namespace

StreamConnection::StreamConnection(Owner& owner, boost::asio::io_context& executor,
                                   std::size_t shard, Descriptor fd, const Endpoint& remote,
                                   Phase phase, SendQueue queue)
    : owner_(owner),
      executor_(executor),
      shard_(shard),
      remote_(remote),
      phase_(phase),
      heard_(ticks()),
      was_open_(phase == Phase::Open),
      timer_(executor),
      descriptor_(executor, fd.release()),
      queue_(std::move(queue)) {}

std::ostream& operator<<(std::ostream& out, StreamConnection::Phase phase) {
  switch (phase) {
    case StreamConnection::Phase::Connecting:
      return out << "connecting";
    case StreamConnection::Phase::Open:
      return out << "open";
    case StreamConnection::Phase::Ended:
      return out << "ended";
  }
  return out;
}

// ---- Life

void StreamConnection::start() {
  boost::asio::post(executor_, [self = shared_from_this()] {
    if (self->phase_ == Phase::Connecting) return self->wait_connected();
    self->wait_readable();
  });
}

void StreamConnection::wait_connected() {
  assert(executor_.get_executor().running_in_this_thread());
  const Lock lock(reading_);
  if (over()) return;
  descriptor_.async_wait(stream_descriptor::wait_write,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           const auto self = weak.lock();
                           if (error || !self) return;
                           int failed = 0;
                           {
                             const Lock writing(self->writing_);
                             if (self->over()) return;
                             failed = connect_error(self->descriptor_.native_handle());
                             if (failed == 0) {
                               self->phase_ = Phase::Open;
                               self->was_open_ = true;
                             }
                           }
                           if (failed != 0) return self->end(Failure::system(failed).text());
                           self->owner_.connected(self);
                           self->wait_readable();
                           self->write_waiting();
                         });
}

void StreamConnection::end(const std::string& why) {
  {
    const Lock reading(reading_);
    const Lock writing(writing_);
    if (over()) return;
    phase_ = Phase::Ended;
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }
  owner_.ended(shared_from_this(), why);
}

template <class Left>
void StreamConnection::look_after(std::chrono::milliseconds time, const char* why, Left left) {
  assert(executor_.get_executor().running_in_this_thread());
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this(), why, left](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->over()) return;
    const std::optional<std::chrono::milliseconds> more = left(*self);
    if (!more) return;
    if (more->count() <= 0) return self->end(why);
    self->look_after(*more, why, left);
  });
}

void StreamConnection::end_unless_authenticated(std::chrono::milliseconds time, const char* why) {
  boost::asio::post(executor_, [self = shared_from_this(), time, why] {
    self->look_after(time, why, [](const StreamConnection& connection) {
      return connection.authenticated() ? std::nullopt
                                        : std::optional(std::chrono::milliseconds(0));
    });
  });
}

void StreamConnection::end_when_quiet(std::chrono::milliseconds time, const char* why) {
  boost::asio::post(executor_, [self = shared_from_this(), time, why] {
    self->look_after(time, why, [time](const StreamConnection& connection) {
      return std::optional(time - connection.quiet());
    });
  });
}

SendQueue StreamConnection::take_queue() noexcept {
  const Lock lock(writing_);
  return std::exchange(queue_, {});
}

Result<void> StreamConnection::set_mark(std::uint32_t mark) noexcept {
  const Lock lock(writing_);
  if (over()) return {};
  return conn::set_mark(descriptor_.native_handle(), mark);
}

Endpoint StreamConnection::local() const noexcept {
  const Lock lock(writing_);
  return over() ? Endpoint()
                : local_endpoint(const_cast<stream_descriptor&>(descriptor_).native_handle());
}

bool StreamConnection::heard_within(std::chrono::seconds time) const noexcept {
  return within(heard_, time);
}

std::chrono::milliseconds StreamConnection::quiet() const noexcept {
  const SendQueue::Clock::duration since(ticks() - std::max(heard_.load(), spoken_.load()));
  return std::chrono::duration_cast<std::chrono::milliseconds>(since);
}

bool StreamConnection::set_peer(std::weak_ptr<ConnectionListener> peer) noexcept {
  const Lock lock(writing_);
  if (over()) return false;
  peer_ = std::move(peer);
  authenticated_ = true;
  return true;
}

void StreamConnection::clear_peer() noexcept {
  const Lock lock(writing_);
  peer_.reset();
}

std::shared_ptr<ConnectionListener> StreamConnection::peer() const noexcept {
  const Lock lock(writing_);
  return peer_.lock();
}

// ---- Sending

SendOutcome StreamConnection::send(std::span<const OutgoingTrain> trains) noexcept {
  SendOutcome outcome;
  Datagrams datagrams(trains);
  int error = 0;
  bool wait = false;
  std::size_t dropped = 0;
  {
    const Lock lock(writing_);
    if (over()) {
      error = ENOTCONN;
    } else if (phase_ == Phase::Open && queue_.empty()) {
      error = write_now(datagrams, outcome, dropped);
    }
    spoken_ = ticks();
    if (error == 0 && datagrams.left()) {
      const auto now = SendQueue::Clock::now();
      dropped += queue_.drop_old(now);
      dropped += queue_.push_all(datagrams, now, outcome);
    }
    wait = error == 0 && phase_ == Phase::Open && !queue_.empty() && !waits_writable_;
    if (wait) waits_writable_ = true;
  }
  if (dropped > 0) owner_.dropped(shared_from_this(), dropped);
  if (error != 0) {
    while (datagrams.left()) outcome.fail(datagrams.next().size(), error);
    end(Failure::system(error).text());
  }
  if (wait) {
    boost::asio::post(executor_, [self = shared_from_this()] { self->wait_writable(); });
  }
  return outcome;
}

int StreamConnection::write_now(Datagrams& datagrams, SendOutcome& outcome, std::size_t& dropped) {
  while (datagrams.left()) {
    std::array<FrameHeader, kFramesPerCall> headers;
    std::array<std::span<const std::byte>, kFramesPerCall> messages;
    std::array<iovec, 2 * kFramesPerCall> vectors;
    std::size_t count = 0;
    std::size_t size = 0;
    while (count < kFramesPerCall && datagrams.left()) {
      const auto message = datagrams.next();
      if (!fits_frame(message)) {
        outcome.fail(message.size(), EMSGSIZE);
        continue;
      }
      messages[count] = message;
      headers[count] = frame_header(message);
      vectors[2 * count] = {headers[count].data(), headers[count].size()};
      vectors[2 * count + 1] = {const_cast<std::byte*>(messages[count].data()),
                                messages[count].size()};
      size += headers[count].size() + messages[count].size();
      count++;
    }
    if (count == 0) break;
    const ssize_t sent =
        send_vectors(descriptor_.native_handle(), std::span(vectors).first(2 * count));
    if (sent < 0 && errno != EAGAIN && errno != ENOBUFS) {
      const int error = errno;
      for (const auto& message : std::span(messages).first(count)) {
        outcome.fail(message.size(), error);
      }
      return error;
    }
    std::size_t left = sent < 0 ? 0 : static_cast<std::size_t>(sent);  // of what was written
    if (left == size) continue;
    const auto now = SendQueue::Clock::now();
    for (std::size_t i = 0; i < count; i++) {
      const std::size_t frame = headers[i].size() + messages[i].size();
      if (left >= frame) {
        left -= frame;
      } else if (left > 0) {
        queue_.push_rest(headers[i], messages[i], left);
        left = 0;
      } else {
        dropped += queue_.push(headers[i], messages[i], now);
      }
    }
    return 0;  // the rest is queued behind it
  }
  return 0;
}

void StreamConnection::wait_writable() {
  assert(executor_.get_executor().running_in_this_thread());
  const Lock lock(writing_);
  if (over()) return;
  descriptor_.async_wait(stream_descriptor::wait_write,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           if (const auto self = weak.lock(); !error && self) {
                             self->write_waiting();
                           }
                         });
}

void StreamConnection::write_later() {
  assert(executor_.get_executor().running_in_this_thread());
  const auto timer = std::make_shared<boost::asio::steady_timer>(executor_, kMemoryPause);
  timer->async_wait([timer, weak = weak_from_this()](const boost::system::error_code&) {
    if (const auto self = weak.lock()) self->write_waiting();
  });
}

void StreamConnection::write_waiting() {
  assert(executor_.get_executor().running_in_this_thread());
  int error = 0;
  std::size_t dropped = 0;
  {
    const Lock lock(writing_);
    if (over()) return;
    dropped = queue_.drop_old(SendQueue::Clock::now());
    while (!queue_.empty()) {
      std::array<iovec, kFramesPerCall> vectors;
      const std::size_t count = queue_.peek(vectors);
      const ssize_t sent =
          send_vectors(descriptor_.native_handle(), std::span(vectors).first(count));
      if (sent < 0) {
        error = errno;
        break;
      }
      queue_.written(static_cast<std::size_t>(sent));
    }
    waits_writable_ = error == EAGAIN || error == ENOBUFS;
  }
  if (dropped > 0) owner_.dropped(shared_from_this(), dropped);
  if (error == EAGAIN) return wait_writable();
  if (error == ENOBUFS) return write_later();
  if (error != 0) end(Failure::system(error).text());
}

// ---- Reading

void StreamConnection::wait_readable() {
  const Lock lock(reading_);
  if (over()) return;
  descriptor_.async_wait(stream_descriptor::wait_read,
                         [weak = weak_from_this()](const boost::system::error_code& error) {
                           if (const auto self = weak.lock(); !error && self) {
                             self->owner_.readable(self);
                           }
                         });
}

std::span<std::byte> StreamConnection::read(std::span<std::byte> room, bool& full) {
  full = false;
  // A frame that has begun goes on where it lies; what comes behind it goes to `behind`, before
  // which the frame is put when it is whole.
  const auto behind = room.subspan(kFrameMax);
  PartialFrame::Rest rest{.bytes = {}, .all = true};
  if (!partial_.empty()) rest = partial_.rest();
  std::array<iovec, 2> vectors{
      {{rest.bytes.data(), rest.bytes.size()}, {behind.data(), rest.all ? behind.size() : 0}}};
  ssize_t got = 0;
  {
    const Lock lock(reading_);
    if (over()) return {};
    got = receive_vectors(descriptor_.native_handle(), vectors);
  }
  if (got < 0 && errno == EAGAIN) return {};
  if (got <= 0) {
    end(got == 0 ? "the other side has closed it" : Failure::system(errno).text());
    return {};
  }
  heard_ = ticks();
  const auto size = static_cast<std::size_t>(got);
  full = size == vectors[0].iov_len + vectors[1].iov_len;
  partial_.came(std::min(size, rest.bytes.size()));
  if (size < rest.bytes.size() || !rest.all) return {};
  const std::size_t put = partial_.move_to_end_of(room.first(kFrameMax));
  return room.subspan(kFrameMax - put, put + size - rest.bytes.size());
}

}  // namespace wg::conn
