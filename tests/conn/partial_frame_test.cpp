#include "conn/partial_frame.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"
#include "tests/conn/framed.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(a_frame_is_put_together_from_pieces_of_any_size) {
  for (const std::size_t size : {1u, 20u, 1500u, 5000u, 65'530u}) {
    Bytes message(size);
    for (std::size_t i = 0; i < size; i++) message[i] = static_cast<std::byte>(i * 7);
    const Bytes frame = framed(message);
    for (const std::size_t piece : {1u, 2u, 5u, 6u, 7u, 1000u, 70'000u}) {
      PartialFrame partial;
      std::size_t at = 1;
      partial.begin(std::span(frame).first(at));
      Bytes before(70'000);
      while (at < frame.size()) {
        const auto rest = partial.rest();
        BOOST_REQUIRE(!rest.bytes.empty());
        const std::size_t came = std::min({rest.bytes.size(), piece, frame.size() - at});
        std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), came, rest.bytes.begin());
        partial.came(came);
        at += came;
        if (rest.all && came == rest.bytes.size() && at < frame.size()) {
          // Its length has come, and is looked at on its own.
          BOOST_REQUIRE(at == kFrameLengthBytes);
          BOOST_REQUIRE(partial.move_to_end_of(before) == at);
          partial.begin(std::span(before).last(at));
        }
      }
      BOOST_TEST(partial.move_to_end_of(before) == frame.size());
      BOOST_TEST(partial.empty());
      BOOST_TEST(std::ranges::equal(std::span(before).last(frame.size()), frame));
    }
  }
}

BOOST_AUTO_TEST_CASE(memory_follows_what_has_come_and_not_what_was_promised) {
  const Bytes frame = framed(Bytes(kFrameMessageMax, std::byte{7}));
  PartialFrame partial;
  partial.begin(std::span(frame).first(6));
  int moved = 0;
  const std::byte* last = nullptr;
  for (std::size_t at = 6; at < frame.size(); at++) {
    const auto rest = partial.rest();
    if (last != nullptr && rest.bytes.data() != last + 1) moved++;
    last = rest.bytes.data();
    BOOST_REQUIRE(partial.memory() <= std::max(kPartialFrameLeast, 2 * at));
    BOOST_REQUIRE(rest.all == (partial.memory() == kFrameMax));
    rest.bytes[0] = frame[at];
    partial.came(1);
  }
  // What has come is moved when the room grows, and not at each byte.
  BOOST_TEST(moved <= 6);
  BOOST_TEST(partial.memory() == kFrameMax);
}

BOOST_AUTO_TEST_CASE(the_room_of_a_long_frame_is_given_back) {
  PartialFrame partial;
  partial.begin(Bytes(50'000, std::byte{1}));
  BOOST_TEST(partial.memory() >= 50'000u);
  partial.begin({});
  BOOST_TEST(partial.memory() == 0u);
  BOOST_TEST(partial.empty());
  partial.begin(Bytes(100, std::byte{1}));
  BOOST_TEST(partial.memory() == kPartialFrameLeast);
}
