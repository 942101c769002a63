// The beginning of a frame that a stream has brought, until the rest comes.
//
// The rest is read to where it belongs, behind what is there: a byte costs the same however much
// waits before it. Memory follows what has come, not what the header promises: a sender who sends
// little keeps little of it, twice of what he has sent at the most, or kPartialFrameLeast.
//
// Runs on: the shard of its connection.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "conn/frame.hpp"

namespace wg::conn {

/// Enough for a packet of an ordinary network at once.
inline constexpr std::size_t kPartialFrameLeast = 2048;

class PartialFrame {
 public:
  /// `bytes`, which are no whole frame, are the beginning; none: nothing is kept. They may not be
  /// of an impossible length.
  void begin(std::span<const std::byte> bytes);
  [[nodiscard]] bool empty() const noexcept { return have_ == 0; }

  struct Rest {
    std::span<std::byte> bytes;
    /// With them the frame is whole, or at least its length is known: it is to be looked at, and
    /// what comes behind them is not theirs. If not, there is no room for all of them yet.
    bool all;
  };
  /// Where the next bytes belong. Of one that is not empty.
  [[nodiscard]] Rest rest();
  /// So many bytes of the rest have come.
  void came(std::size_t bytes) noexcept { have_ += bytes; }

  /// Moves what is there to the end of `before`; returns how many bytes.
  std::size_t move_to_end_of(std::span<std::byte> before) noexcept;

  /// Bytes of memory that it occupies.
  [[nodiscard]] std::size_t memory() const noexcept { return room_; }

 private:
  [[nodiscard]] std::size_t goal() const noexcept;
  void grow();

  std::unique_ptr<std::byte[]> bytes_;
  std::size_t room_ = 0;  // of `bytes_`
  std::size_t have_ = 0;
};

}  // namespace wg::conn
