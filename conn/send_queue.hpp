// Frames that a stream would not take yet: bounded by bytes and by age.
//
// Under pressure the oldest transport data gives way; the inner TCP notices and slows down.
// Handshake messages are few and go first, so that a stalled stream does not lose its session.
// A frame of which a part has been written is finished before anything else.
//
// Memory is taken when the first frame waits, and given back when the last has gone.
//
// Guarded by: the lock of its connection's writing side; the bind's while it waits for a
// connection.
#pragma once

#include <sys/uio.h>

#include <boost/circular_buffer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "conn/bind.hpp"
#include "conn/frame.hpp"
#include "protocol/constants.hpp"

namespace wg::conn {

class SendQueue {
 public:
  using Clock = std::chrono::steady_clock;
  using Instant = Clock::time_point;

  /// Bytes of transport data that may wait, frame headers included.
  static constexpr std::size_t kDataBytesMax = 512 * 1024;
  static constexpr std::size_t kDataFramesMax = 4096;
  static constexpr auto kDataAgeMax = std::chrono::milliseconds(500);
  /// Handshake messages that may wait, and for how long: after Rekey-Timeout their sender makes
  /// another one, and an answer to the old one would not be taken.
  static constexpr std::size_t kHandshakesMax = 10;
  static constexpr auto kHandshakeAgeMax = protocol::kRekeyTimeout;

  /// Returns how many frames that waited already were dropped for it, the oldest first. `message`
  /// fits a frame.
  std::size_t push(const FrameHeader& header, std::span<const std::byte> message, Instant now);
  /// The same for all that are left of `datagrams`. Those that fit no frame are left out, and
  /// failures of `outcome`.
  std::size_t push_all(Datagrams& datagrams, Instant now, SendOutcome& outcome);
  /// The rest of a frame that has been written in part.
  void push_rest(std::span<const std::byte> rest);
  void push_rest(const FrameHeader& header, std::span<const std::byte> message,
                 std::size_t written);

  /// Drops what is too old; returns how many frames.
  std::size_t drop_old(Instant now) noexcept;
  /// The next frames to write, in order, as many as `vectors` holds.
  [[nodiscard]] std::size_t peek(std::span<iovec> vectors) const noexcept;
  /// So many bytes of what `peek` has given were written.
  void written(std::size_t bytes);

  [[nodiscard]] bool empty() const noexcept {
    return rest_.empty() && handshakes_.empty() && (!data_ || data_->frames.empty());
  }
  /// How many frames wait, the one that has been written in part included.
  [[nodiscard]] std::size_t frames() const noexcept {
    return (rest_.empty() ? 0 : 1) + handshakes_.size() + (data_ ? data_->frames.size() : 0);
  }
  /// The stream is gone: what was begun on it cannot be finished on another one. Returns how many
  /// frames that was.
  std::size_t forget_rest() noexcept {
    const std::size_t begun = rest_.empty() ? 0 : 1;
    rest_.clear();
    return begun;
  }

 private:
  struct Entry {
    std::size_t offset;
    std::size_t size;
    Instant since;
  };
  /// A ring of frames; no frame wraps around its end.
  struct Data {
    std::unique_ptr<std::byte[]> bytes = std::make_unique_for_overwrite<std::byte[]>(kDataBytesMax);
    boost::circular_buffer<Entry> frames{kDataFramesMax};
  };
  struct Handshake {
    std::vector<std::byte> bytes;
    Instant since;
  };

  [[nodiscard]] std::size_t room_for(std::size_t size, std::size_t& dropped);

  std::vector<std::byte> rest_;
  std::deque<Handshake> handshakes_;
  std::unique_ptr<Data> data_;  // null while no transport data waits
};

}  // namespace wg::conn
