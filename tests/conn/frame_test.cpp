// Frames, against bytes written down by hand.
#include "conn/frame.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/bytes.hpp"
#include "tests/conn/framed.hpp"

using namespace wg;
using namespace wg::conn;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(frames_written_down_by_hand) {
  // CRC-32's check value for "123456789" is cbf43926; of one zero byte it is d202ef8d.
  BOOST_TEST(to_hex(framed(text_bytes("123456789"))) == "09002639f4cb313233343536373839");
  BOOST_TEST(to_hex(framed(Bytes(1))) == "01008def02d200");
  // 256 bytes: the length's second byte counts.
  const Bytes longer = framed(Bytes(256));
  BOOST_TEST(to_hex(std::span(longer).first(2)) == "0001");
}

BOOST_AUTO_TEST_CASE(a_frame_is_taken_when_it_is_whole) {
  Bytes bytes = framed(text_bytes("123456789"));
  const Bytes second = framed(text_bytes("next"));
  bytes.insert(bytes.end(), second.begin(), second.end());
  for (std::size_t size = 0; size < 15; size++) {
    BOOST_TEST(first_frame(std::span(bytes).first(size)).status == FrameStatus::Incomplete);
  }
  const Frame frame = first_frame(bytes);
  BOOST_TEST(frame.status == FrameStatus::Whole);
  BOOST_TEST(frame.size == 15u);
  BOOST_TEST(to_hex(frame.message) == to_hex(text_bytes("123456789")));
  const Frame next = first_frame(std::span(bytes).subspan(frame.size));
  BOOST_TEST(to_hex(next.message) == to_hex(text_bytes("next")));
}

BOOST_AUTO_TEST_CASE(what_is_no_frame_is_noticed) {
  Bytes empty = from_hex("000000000000");
  BOOST_TEST(first_frame(empty).status == FrameStatus::EmptyMessage);
  Bytes empty_so_far = from_hex("0000");
  BOOST_TEST(first_frame(empty_so_far).status == FrameStatus::EmptyMessage);
  for (const char* length : {"fbff", "ffff"}) {  // 65,531 and 65,535
    Bytes bytes = from_hex(length);
    BOOST_TEST(first_frame(bytes).status == FrameStatus::TooLong);
  }
  Bytes wrong = framed(text_bytes("123456789"));
  for (const std::size_t at : {2u, 5u, 6u, 14u}) {
    wrong[at] ^= std::byte{1};
    BOOST_TEST(first_frame(wrong).status == FrameStatus::WrongChecksum);
    wrong[at] ^= std::byte{1};
  }
  Bytes longest = framed(Bytes(kFrameMessageMax, std::byte{7}));
  BOOST_TEST(first_frame(longest).status == FrameStatus::Whole);
  BOOST_TEST(first_frame(longest).size == kFrameMax);
}
