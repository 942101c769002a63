#include "tun/segment_plan.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "tests/tun/packets.hpp"

using namespace wg::tun;
using namespace wg::test;

namespace {

Bytes segment(const SegmentPlan& plan, std::size_t i) {
  Bytes out(plan.size(i) + 1, std::byte{0xee});
  plan.write(i, out.data());
  BOOST_TEST((out.back() == std::byte{0xee}));  // nothing behind it is touched
  out.pop_back();
  return out;
}

Offload cut(Cut kind, std::uint16_t payload) {
  return {.cut = kind, .checksum_open = true, .segment_payload = payload};
}

std::uint8_t flags_of(const Bytes& packet, bool v6) {
  return std::to_integer<std::uint8_t>(packet[(v6 ? 40u : 20u) + 13]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(tcp_is_cut_into_the_packets_that_its_sender_would_have_sent) {
  for (const bool v6 : {false, true}) {
    TcpFields whole{.v6 = v6,
                    .flags = 0x10 | 0x08 | 0x01 | 0x80,
                    .payload = 3000,
                    .options = Bytes(12, std::byte{1})};
    Bytes bytes = tcp_packet(whole);
    const auto plan =
        SegmentPlan::make({.bytes = bytes, .offload = cut(v6 ? Cut::TcpV6 : Cut::TcpV4, 1400)});
    BOOST_REQUIRE(plan.has_value());
    BOOST_TEST(plan->count() == 3u);
    std::size_t done = 0;
    for (std::size_t i = 0; i < 3; i++) {
      const std::size_t payload = i < 2 ? 1400 : 200;
      const Bytes got = segment(*plan, i);
      BOOST_TEST(checksums_right(got));
      TcpFields expected = whole;
      expected.payload = payload;
      expected.sequence += static_cast<std::uint32_t>(done);
      expected.id = static_cast<std::uint16_t>(expected.id + i);
      // FIN and PSH on the last only, CWR on the first only.
      expected.flags = static_cast<std::uint8_t>(0x10 | (i == 0 ? 0x80 : 0) | (i == 2 ? 0x09 : 0));
      Bytes like = tcp_packet(expected);
      const std::size_t header = like.size() - payload;
      BOOST_TEST(flags_of(got, v6) == expected.flags);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(header + done), payload,
                  like.begin() + static_cast<std::ptrdiff_t>(header));
      like[header - 12 - 4] = got[header - 12 - 4];  // the checksum was verified above
      like[header - 12 - 3] = got[header - 12 - 3];
      BOOST_TEST((got == like));
      done += payload;
    }
  }
}

BOOST_AUTO_TEST_CASE(udp_is_cut_into_datagrams) {
  for (const bool v6 : {false, true}) {
    Bytes bytes = udp_packet({.v6 = v6, .payload = 2500});
    const auto plan = SegmentPlan::make({.bytes = bytes, .offload = cut(Cut::Udp, 1000)});
    BOOST_REQUIRE(plan.has_value());
    BOOST_TEST(plan->count() == 3u);
    for (std::size_t i = 0; i < 3; i++) {
      const Bytes got = segment(*plan, i);
      const std::size_t header = v6 ? 48 : 28;
      BOOST_TEST(got.size() == header + (i < 2 ? 1000 : 500));
      BOOST_TEST(checksums_right(got));
      BOOST_TEST(std::equal(got.begin() + static_cast<std::ptrdiff_t>(header), got.end(),
                            bytes.begin() + static_cast<std::ptrdiff_t>(header + i * 1000)));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_open_checksum_is_completed) {
  for (const bool v6 : {false, true}) {
    Bytes bytes = tcp_packet({.v6 = v6, .payload = 77});
    const Bytes right = bytes;
    const std::uint16_t start = v6 ? 40 : 20;
    // As the kernel leaves it: the pseudo-header's sum, not complemented.
    std::uint32_t sum = 6 + 20 + 77;
    for (std::size_t i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i += 2) sum += load16(bytes.data() + i);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    store16(bytes.data() + start + 16, sum);
    const auto plan = SegmentPlan::make(
        {.bytes = bytes,
         .offload = {.checksum_open = true, .checksum_start = start, .checksum_offset = 16}});
    BOOST_REQUIRE(plan.has_value());
    BOOST_TEST((segment(*plan, 0) == right));
  }
}

BOOST_AUTO_TEST_CASE(a_plain_packet_passes_as_it_is) {
  Bytes bytes = icmp_packet(1, 2, 100);
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = {}});
  BOOST_TEST(plan->count() == 1u);
  BOOST_TEST((segment(*plan, 0) == bytes));
}

BOOST_AUTO_TEST_CASE(offloads_that_do_not_fit_the_packet_are_refused) {
  Bytes tcp = tcp_packet({.payload = 3000});
  Bytes udp = udp_packet({.payload = 3000});
  Bytes fragment = udp_packet({.dont_fragment = false, .payload = 3000});
  fragment[6] = std::byte{0x20};
  const auto refused = [](Bytes& bytes, const Offload& offload) {
    return !SegmentPlan::make({.bytes = bytes, .offload = offload}).has_value();
  };
  BOOST_TEST(refused(tcp, cut(Cut::TcpV6, 1000)));
  BOOST_TEST(refused(tcp, cut(Cut::Udp, 1000)));
  BOOST_TEST(refused(udp, cut(Cut::TcpV4, 1000)));
  BOOST_TEST(refused(tcp, cut(Cut::TcpV4, 0)));
  BOOST_TEST(refused(fragment, cut(Cut::Udp, 1000)));
  BOOST_TEST(refused(tcp, {.checksum_open = true, .checksum_start = 3039, .checksum_offset = 0}));
  BOOST_TEST(
      refused(tcp, {.checksum_open = true, .checksum_start = 65535, .checksum_offset = 65535}));
  // Within the IP header there is no transport checksum (found by fuzzing).
  BOOST_TEST(refused(tcp, {.checksum_open = true, .checksum_start = 0, .checksum_offset = 0}));
  tcp[20 + 12] = std::byte{0xf0};  // a TCP header of 60 bytes is still within the packet…
  BOOST_TEST(!refused(tcp, cut(Cut::TcpV4, 1000)));
  tcp[20 + 12] = std::byte{0x40};  // …one of 16 is none
  BOOST_TEST(refused(tcp, cut(Cut::TcpV4, 1000)));
}

BOOST_AUTO_TEST_CASE(headers_without_payload_are_one_segment) {
  Bytes bytes = tcp_packet({.payload = 0});
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = cut(Cut::TcpV4, 1000)});
  BOOST_REQUIRE(plan.has_value());
  BOOST_TEST(plan->count() == 1u);
  BOOST_TEST(checksums_right(segment(*plan, 0)));
}
