#include "conn/send_queue.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/bytes.hpp"
#include "tests/printing.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;
using namespace std::chrono_literals;

namespace {

const SendQueue::Instant kStart{1h};

Bytes message(std::uint8_t type, std::size_t size, std::uint8_t fill = 0) {
  Bytes bytes(size, std::byte{fill});
  bytes[0] = std::byte{type};
  return bytes;
}
Bytes data(std::size_t size, std::uint8_t fill = 0) {
  return message(4, size, fill);
}
std::size_t push(SendQueue& queue, const Bytes& bytes, SendQueue::Instant now = kStart) {
  return queue.push(frame_header(bytes), bytes, now);
}

/// Writes all that waits, `step` bytes at a time, and returns the messages.
std::vector<Bytes> drain(SendQueue& queue, std::size_t step) {
  Bytes stream;
  while (!queue.empty()) {
    std::array<iovec, 8> vectors;
    std::size_t left = step;
    const std::size_t count = queue.peek(vectors);
    BOOST_REQUIRE(count > 0);
    for (const iovec& vector : std::span(vectors).first(count)) {
      const std::size_t taken = std::min(left, vector.iov_len);
      const auto* const bytes = static_cast<const std::byte*>(vector.iov_base);
      stream.insert(stream.end(), bytes, bytes + taken);
      left -= taken;
    }
    queue.written(step - left);
  }
  std::vector<Bytes> messages;
  for (std::size_t at = 0; at < stream.size();) {
    const Frame frame = first_frame(std::span(stream).subspan(at));
    BOOST_TEST_REQUIRE(frame.status == FrameStatus::Whole);
    messages.emplace_back(frame.message.begin(), frame.message.end());
    at += frame.size;
  }
  return messages;
}

}  // namespace

BOOST_AUTO_TEST_CASE(frames_leave_in_order_however_they_are_written) {
  for (const std::size_t step : {1u, 5u, 6u, 7u, 1000u, 100'000u}) {
    SendQueue queue;
    std::vector<Bytes> sent;
    for (std::uint8_t i = 0; i < 20; i++) {
      sent.push_back(data(1 + i * 7u, i));
      BOOST_TEST(push(queue, sent.back()) == 0u);
    }
    BOOST_TEST(drain(queue, step) == sent, per_element());
    BOOST_TEST(queue.empty());
  }
}

BOOST_AUTO_TEST_CASE(handshakes_go_first_but_not_into_a_frame_that_has_begun) {
  SendQueue queue;
  const Bytes begun = data(100, 1);
  queue.push_rest(frame_header(begun), begun, 3);  // three bytes of its header are written
  push(queue, data(50, 2));
  push(queue, message(1, 148));
  std::array<iovec, 4> vectors;
  BOOST_TEST(queue.peek(vectors) == 3u);
  BOOST_TEST(vectors[0].iov_len == 103u);
  BOOST_TEST(vectors[1].iov_len == 154u);
  BOOST_TEST(vectors[2].iov_len == 56u);
  queue.written(103);
  const auto left = drain(queue, 10);
  const std::vector<Bytes> expected{message(1, 148), data(50, 2)};
  BOOST_TEST(left == expected, per_element());
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_frame_does_not_go_to_another_stream) {
  SendQueue queue;
  const Bytes begun = data(100, 1);
  queue.push_rest(frame_header(begun), begun, 50);
  push(queue, data(50, 2));
  queue.forget_rest();
  BOOST_TEST(drain(queue, 1000) == std::vector<Bytes>{data(50, 2)}, per_element());
}

BOOST_AUTO_TEST_CASE(the_oldest_data_gives_way_and_handshakes_stay) {
  SendQueue queue;
  push(queue, message(1, 148));
  std::size_t dropped = 0, pushed = 0;
  while (dropped < 10) {
    dropped += push(queue, data(1420, static_cast<std::uint8_t>(pushed++)));
  }
  BOOST_TEST(pushed * 1426 < SendQueue::kDataBytesMax + 20 * 1426);
  const auto left = drain(queue, 1'000'000);
  BOOST_TEST(left.size() == 1 + pushed - dropped);
  BOOST_TEST(left[0] == message(1, 148), per_element());
  BOOST_TEST(left[1] == data(1420, static_cast<std::uint8_t>(dropped)), per_element());
  BOOST_TEST(left.back() == data(1420, static_cast<std::uint8_t>(pushed - 1)), per_element());
}

BOOST_AUTO_TEST_CASE(handshakes_are_ten_at_the_most) {
  SendQueue queue;
  for (std::uint8_t i = 0; i < 12; i++) {
    BOOST_TEST(push(queue, message(1, 148, i)) == (i < 10 ? 0u : 1u));
  }
  const auto left = drain(queue, 1000);
  BOOST_TEST(left.size() == 10u);
  BOOST_TEST(left[0] == message(1, 148, 2), per_element());
}

BOOST_AUTO_TEST_CASE(what_is_too_old_is_dropped) {
  SendQueue queue;
  push(queue, message(1, 148), kStart);
  push(queue, data(10, 1), kStart);
  push(queue, data(10, 2), kStart + 400ms);
  BOOST_TEST(queue.drop_old(kStart + SendQueue::kDataAgeMax) == 0u);
  BOOST_TEST(queue.drop_old(kStart + SendQueue::kDataAgeMax + 1ms) == 1u);
  BOOST_TEST(queue.drop_old(kStart + SendQueue::kHandshakeAgeMax + 1ms) == 2u);
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(any_mixture_of_pushes_and_writes_keeps_order_and_contents) {
  std::mt19937 random(5);
  SendQueue queue;
  std::deque<Bytes> expected;  // of data
  Bytes stream;
  std::uint8_t fill = 0;
  for (int round = 0; round < 20'000; round++) {
    const Bytes bytes = data(1 + random() % (random() % 50 == 0 ? 65'500 : 1500), fill++);
    const std::size_t dropped = push(queue, bytes);
    expected.push_back(bytes);
    // A frame that was begun stands before the oldest that may be dropped.
    const auto oldest = expected.begin() + (stream.empty() ? 0 : 1);
    expected.erase(oldest, oldest + static_cast<std::ptrdiff_t>(dropped));
    std::array<iovec, 16> vectors;
    const std::size_t count = queue.peek(vectors);
    std::size_t left = random() % 3000;
    std::size_t written = 0;
    for (const iovec& vector : std::span(vectors).first(count)) {
      const std::size_t taken = std::min(left, vector.iov_len);
      const auto* const at = static_cast<const std::byte*>(vector.iov_base);
      stream.insert(stream.end(), at, at + taken);
      left -= taken;
      written += taken;
    }
    queue.written(written);
    // Whole frames that have come out are the first that were expected.
    std::size_t at = 0;
    while (true) {
      const Frame frame = first_frame(std::span(stream).subspan(at));
      if (frame.status != FrameStatus::Whole) {
        BOOST_TEST_REQUIRE(frame.status == FrameStatus::Incomplete);
        break;
      }
      BOOST_REQUIRE(!expected.empty());
      BOOST_REQUIRE(std::ranges::equal(frame.message, expected.front()));
      expected.pop_front();
      at += frame.size;
    }
    stream.erase(stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

BOOST_AUTO_TEST_CASE(a_message_that_fits_no_frame_is_left_out_and_told) {
  SendQueue queue;
  const Bytes first = data(20, 1), too_long = data(kFrameMessageMax + 1), last = data(20, 2);
  std::vector<OutgoingTrain> trains;
  for (const Bytes* const bytes : {&first, &too_long, &last}) {
    trains.push_back({.bytes = *bytes, .segment_size = bytes->size(), .traffic_class = 0});
  }
  Datagrams datagrams(trains);
  SendOutcome outcome;
  BOOST_TEST(queue.push_all(datagrams, kStart, outcome) == 0u);
  BOOST_TEST(outcome.failed_datagrams == 1u);
  BOOST_TEST(outcome.failed_bytes == too_long.size());
  BOOST_TEST(outcome.error == EMSGSIZE);
  const std::vector<Bytes> expected{first, last};
  BOOST_TEST(drain(queue, 1000) == expected, per_element());
}

BOOST_AUTO_TEST_CASE(what_waits_is_counted_in_frames) {
  SendQueue queue;
  BOOST_TEST(queue.frames() == 0u);
  push(queue, message(1, 148));
  push(queue, data(50));
  push(queue, data(50));
  BOOST_TEST(queue.frames() == 3u);
  queue.written(100);  // a part of the first
  BOOST_TEST(queue.frames() == 3u);
  BOOST_TEST(queue.forget_rest() == 1u);
  BOOST_TEST(queue.frames() == 2u);
  BOOST_TEST(queue.forget_rest() == 0u);
}
