#include "tun/inner_packet.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/printing.hpp"
#include "tests/tun/packets.hpp"

using namespace wg::tun;
using namespace wg::test;

BOOST_AUTO_TEST_CASE(addresses_and_lengths_are_read_from_both_versions) {
  Bytes v4 = tcp_packet({});
  const auto packet = InnerPacket::parse(v4);
  BOOST_REQUIRE(packet.has_value());
  BOOST_TEST(to_hex(packet->source()) == "0a000001");
  BOOST_TEST(to_hex(packet->destination()) == "0a000002");
  BOOST_TEST(packet->protocol() == kProtocolTcp);
  Bytes v6 = udp_packet({.v6 = true});
  const auto packet6 = InnerPacket::parse(v6);
  BOOST_REQUIRE(packet6.has_value());
  BOOST_TEST(packet6->destination().size() == 16u);
  BOOST_TEST(packet6->protocol() == kProtocolUdp);
}

BOOST_AUTO_TEST_CASE(padding_behind_the_packet_is_cut_off) {
  for (const bool v6 : {false, true}) {
    Bytes padded = tcp_packet({.v6 = v6});
    const std::size_t size = padded.size();
    padded.resize(size + 11);
    BOOST_TEST(InnerPacket::parse(padded)->bytes().size() == size);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_whole_packet_is_refused) {
  const Bytes v4 = tcp_packet({});
  const Bytes v6 = tcp_packet({.v6 = true});
  for (const Bytes* whole : {&v4, &v6}) {
    for (std::size_t size = 0; size < whole->size(); size++) {
      Bytes cut(whole->begin(), whole->begin() + static_cast<std::ptrdiff_t>(size));
      BOOST_TEST(!InnerPacket::parse(cut).has_value(), size);
    }
  }
  for (const int first : {0x00, 0x35, 0x44, 0x4f, 0x55, 0x75, 0xf5}) {
    Bytes bad(40, std::byte{0});
    bad[0] = static_cast<std::byte>(first);
    bad[3] = std::byte{40};
    BOOST_TEST(!InnerPacket::parse(bad).has_value(), first);
  }
}

BOOST_AUTO_TEST_CASE(fragments_are_known) {
  Bytes packet = udp_packet({.dont_fragment = false});
  BOOST_TEST(!InnerPacket::parse(packet)->fragment());
  packet[6] = std::byte{0x20};  // more fragments
  BOOST_TEST(InnerPacket::parse(packet)->fragment());
  packet[6] = std::byte{0};
  packet[7] = std::byte{1};  // an offset
  BOOST_TEST(InnerPacket::parse(packet)->fragment());
}

BOOST_AUTO_TEST_CASE(the_transport_is_found_behind_options_and_extension_headers) {
  for (const bool tcp : {true, false}) {
    const std::uint8_t protocol = tcp ? kProtocolTcp : kProtocolUdp;
    const auto found = [&](Bytes bytes, std::size_t offset) {
      const auto transport = InnerPacket::parse(bytes)->transport();
      return transport && transport->protocol == protocol && transport->offset == offset;
    };
    const Bytes v4 = tcp ? tcp_packet({}) : udp_packet({});
    BOOST_TEST(found(v4, 20));
    BOOST_TEST(found(source_routed(v4), 28));
    const Bytes v6 = tcp ? tcp_packet({.v6 = true}) : udp_packet({.v6 = true});
    BOOST_TEST(found(v6, 40));
    for (const auto& [name, headers] : extension_chains()) {
      const Bytes packet = behind(v6, headers);
      BOOST_TEST(found(packet, 40 + packet.size() - v6.size()), name);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_fragment_is_known_behind_extension_headers_and_has_no_transport) {
  const Bytes udp = udp_packet({.v6 = true});
  const Extension options = extension_chains()[1].headers[0];
  for (const std::size_t first_or_later : {2u, 1u}) {  // more fragments, or an offset
    Bytes fields(7);
    fields[first_or_later] = std::byte{1};
    const Extension fragment{.type = 44, .rest = fields};
    for (const auto& headers :
         {std::vector{fragment}, std::vector{options, fragment}, std::vector{fragment, options}}) {
      Bytes bytes = behind(udp, headers);
      BOOST_TEST(InnerPacket::parse(bytes)->fragment());
      BOOST_TEST(!InnerPacket::parse(bytes)->transport().has_value());
    }
  }
  for (const auto& [name, headers] : extension_chains()) {  // an atomic fragment is whole
    Bytes bytes = behind(udp, headers);
    BOOST_TEST(!InnerPacket::parse(bytes)->fragment(), name);
  }
}

BOOST_AUTO_TEST_CASE(marking_congestion_keeps_the_header_checksum_right) {
  for (const bool v6 : {false, true}) {
    for (const std::uint8_t before :
         {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{0x29}, std::uint8_t{0xfe}}) {
      Bytes bytes = tcp_packet({.v6 = v6, .traffic_class = before});
      auto packet = InnerPacket::parse(bytes);
      BOOST_TEST(packet->ecn() == (before & 3));
      packet->mark_congestion();
      BOOST_TEST(packet->ecn() == 3);
      BOOST_TEST(checksums_right(bytes));
      const auto marked = static_cast<std::uint8_t>(before | 3);
      BOOST_TEST(bytes == tcp_packet({.v6 = v6, .traffic_class = marked}), per_element());
    }
  }
}
