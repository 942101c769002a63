#include "conn/send_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/messages.hpp"

namespace wg::conn {
namespace {

/// All others are handshake messages. A message's first byte is its type (whitepaper 5.4): the
/// three reserved ones behind it are zero.
[[nodiscard]] bool is_transport_data(std::span<const std::byte> message) noexcept {
  return message.front() == static_cast<std::byte>(protocol::MessageType::TransportData);
}

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::size_t SendQueue::push(const FrameHeader& header, std::span<const std::byte> message,
                            Instant now) {
  std::size_t dropped = 0;
  if (!is_transport_data(message)) {
    if (handshakes_.size() == kHandshakesMax) {
      handshakes_.pop_front();
      dropped = 1;
    }
    Handshake& handshake = handshakes_.emplace_back();
    append(handshake.bytes, header);
    append(handshake.bytes, message);
    handshake.since = now;
    return dropped;
  }
  if (!data_) data_ = std::make_unique<Data>();
  const std::size_t size = header.size() + message.size();
  const std::size_t offset = room_for(size, dropped);
  std::memcpy(data_->bytes.get() + offset, header.data(), header.size());
  std::memcpy(data_->bytes.get() + offset + header.size(), message.data(), message.size());
  data_->frames.push_back({.offset = offset, .size = size, .since = now});
  return dropped;
}

std::size_t SendQueue::push_all(Datagrams& datagrams, Instant now, SendOutcome& outcome) {
  std::size_t dropped = 0;
  while (datagrams.left()) {
    const auto message = datagrams.next();
    if (fits_frame(message)) {
      dropped += push(frame_header(message), message, now);
    } else {
      outcome.fail(message.size(), EMSGSIZE);
    }
  }
  return dropped;
}

/// Where `size` bytes (a frame at the most) fit behind the last frame, after dropping as many of
/// the oldest as it takes.
std::size_t SendQueue::room_for(std::size_t size, std::size_t& dropped) {
  auto& frames = data_->frames;
  while (!frames.empty()) {
    const std::size_t begin = frames.front().offset;
    const std::size_t end = frames.back().offset + frames.back().size;
    const bool wrapped = frames.back().offset < begin;
    if (!frames.full()) {
      if (wrapped ? end + size <= begin : end + size <= kDataBytesMax) return end;
      if (!wrapped && size <= begin) return 0;
    }
    frames.pop_front();
    dropped++;
  }
  return 0;
}

void SendQueue::push_rest(std::span<const std::byte> rest) {
  append(rest_, rest);
}

void SendQueue::push_rest(const FrameHeader& header, std::span<const std::byte> message,
                          std::size_t written) {
  if (written < header.size()) push_rest(std::span(header).subspan(written));
  push_rest(message.subspan(written > header.size() ? written - header.size() : 0));
}

std::size_t SendQueue::drop_old(Instant now) noexcept {
  std::size_t dropped = 0;
  while (!handshakes_.empty() && now - handshakes_.front().since > kHandshakeAgeMax) {
    handshakes_.pop_front();
    dropped++;
  }
  while (data_ && !data_->frames.empty() && now - data_->frames.front().since > kDataAgeMax) {
    data_->frames.pop_front();
    dropped++;
  }
  return dropped;
}

std::size_t SendQueue::peek(std::span<iovec> vectors) const noexcept {
  std::size_t count = 0;
  const auto add = [&](const std::byte* bytes, std::size_t size) {
    if (count < vectors.size()) vectors[count++] = {const_cast<std::byte*>(bytes), size};
  };
  if (!rest_.empty()) add(rest_.data(), rest_.size());
  for (const Handshake& handshake : handshakes_) {
    add(handshake.bytes.data(), handshake.bytes.size());
  }
  if (!data_) return count;
  for (const Entry& entry : data_->frames) {
    if (count == vectors.size()) break;
    add(data_->bytes.get() + entry.offset, entry.size);
  }
  return count;
}

void SendQueue::written(std::size_t bytes) {
  const std::size_t of_rest = std::min(bytes, rest_.size());
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(of_rest));
  bytes -= of_rest;
  while (bytes > 0 && !handshakes_.empty()) {
    const std::vector<std::byte> front = std::move(handshakes_.front().bytes);
    handshakes_.pop_front();
    const std::size_t of_this = std::min(bytes, front.size());
    bytes -= of_this;
    push_rest(std::span(front).subspan(of_this));
  }
  while (bytes > 0 && data_ && !data_->frames.empty()) {
    const Entry entry = data_->frames.front();
    data_->frames.pop_front();
    const std::size_t of_this = std::min(bytes, entry.size);
    bytes -= of_this;
    push_rest({data_->bytes.get() + entry.offset + of_this, entry.size - of_this});
  }
  if (data_ && data_->frames.empty()) data_.reset();
}

}  // namespace wg::conn
