#include "conn/partial_frame.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace wg::conn {

void PartialFrame::begin(std::span<const std::byte> bytes) {
  have_ = 0;
  if (bytes.empty()) {
    // One that waits for its next frame need not keep the room of the longest that it has had.
    if (room_ > kPartialFrameLeast) {
      bytes_.reset();
      room_ = 0;
    }
    return;
  }
  if (room_ < bytes.size()) {
    room_ = std::max(kPartialFrameLeast, bytes.size());
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(room_);
  }
  std::memcpy(bytes_.get(), bytes.data(), bytes.size());
  have_ = bytes.size();
}

/// How many bytes it is to have when it is looked at next.
std::size_t PartialFrame::goal() const noexcept {
  if (have_ < kFrameLengthBytes) return kFrameLengthBytes;
  return kFrameHeaderBytes + message_length({bytes_.get(), have_});
}

PartialFrame::Rest PartialFrame::rest() {
  if (have_ == room_) grow();
  const std::size_t end = goal();
  return {.bytes = {bytes_.get() + have_, std::min(room_, end) - have_}, .all = end <= room_};
}

void PartialFrame::grow() {
  const std::size_t room = std::min(2 * room_, kFrameMax);
  auto larger = std::make_unique_for_overwrite<std::byte[]>(room);
  std::memcpy(larger.get(), bytes_.get(), have_);
  bytes_ = std::move(larger);
  room_ = room;
}

std::size_t PartialFrame::move_to_end_of(std::span<std::byte> before) noexcept {
  const std::size_t size = std::exchange(have_, 0);
  if (size > 0) std::memcpy(before.data() + (before.size() - size), bytes_.get(), size);
  return size;
}

}  // namespace wg::conn
