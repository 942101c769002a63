#include "tun/segment_plan.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "tests/printing.hpp"
#include "tests/tun/packets.hpp"

using namespace wg::tun;
using namespace wg::test;

namespace {

/// A multiple of 256, so that the payload of every segment begins as that of a packet of its own.
constexpr std::uint16_t kSegmentPayload = 1280;

Bytes segment(const SegmentPlan& plan, std::size_t i) {
  Bytes out(plan.size(i) + 1, std::byte{0xee});
  plan.write(i, out.data());
  BOOST_TEST(out.back() == std::byte{0xee});  // nothing behind it is touched
  out.pop_back();
  return out;
}

Offload cut(Cut kind, std::uint16_t payload) {
  return {.cut = kind, .checksum_open = true, .segment_payload = payload};
}

/// What the kernel says of a packet whose transport header is at `start`.
Offload at(std::size_t start, Cut kind, bool tcp) {
  return {.cut = kind,
          .checksum_open = true,
          .segment_payload = kSegmentPayload,
          .checksum_start = static_cast<std::uint16_t>(start),
          .checksum_offset = static_cast<std::uint16_t>(tcp ? 16 : 6)};
}

Bytes packet_of(bool tcp, const TcpFields& fields) {
  return tcp ? tcp_packet(fields) : udp_packet(fields);
}

/// All of the plan's segments; none if there is no plan.
std::vector<Bytes> cut_up(Bytes bytes, const Offload& offload) {
  std::vector<Bytes> segments;
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = offload});
  for (std::size_t i = 0; plan && i < plan->count(); i++) segments.push_back(segment(*plan, i));
  return segments;
}

/// The same of a packet in pieces: the first of `first` bytes, the others of `rest`.
std::vector<Bytes> cut_up_in_pieces(Bytes bytes, const Offload& offload, std::size_t first,
                                    std::size_t rest) {
  std::vector<Bytes> pieces{
      Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(first))};
  std::vector<iovec> more;
  for (std::size_t at = first; at < bytes.size(); at += rest) {
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t size = std::min(rest, bytes.size() - at);
    pieces.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
  }
  for (std::size_t i = 1; i < pieces.size(); i++)
    more.push_back({pieces[i].data(), pieces[i].size()});
  std::vector<Bytes> segments;
  const auto plan = SegmentPlan::make({.bytes = pieces[0], .more = more, .offload = offload});
  for (std::size_t i = 0; plan && i < plan->count(); i++) segments.push_back(segment(*plan, i));
  return segments;
}

void check_same(const std::vector<Bytes>& got, const std::vector<Bytes>& expected) {
  BOOST_TEST_REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); i++) {
    BOOST_TEST_CONTEXT("segment " << i) BOOST_TEST(to_hex(got[i]) == to_hex(expected[i]));
  }
}

/// The packets that a sender of 3000 bytes would have sent, had it cut them itself.
std::vector<Bytes> sent_one_by_one(bool tcp, TcpFields fields) {
  std::vector<Bytes> packets;
  for (const std::size_t payload : {1280u, 1280u, 440u}) {
    fields.payload = payload;
    packets.push_back(packet_of(tcp, fields));
    fields.sequence += static_cast<std::uint32_t>(payload);
    fields.id++;
  }
  return packets;
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
      BOOST_TEST(got == like, per_element());
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
    const Bytes right = tcp_packet({.v6 = v6, .payload = 77});
    Bytes bytes = with_open_checksum(right);
    const std::uint16_t start = v6 ? 40 : 20;
    const auto plan = SegmentPlan::make(
        {.bytes = bytes,
         .offload = {.checksum_open = true, .checksum_start = start, .checksum_offset = 16}});
    BOOST_REQUIRE(plan.has_value());
    BOOST_TEST(segment(*plan, 0) == right, per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_plain_packet_passes_as_it_is) {
  Bytes bytes = icmp_packet(1, 2, 100);
  const auto plan = SegmentPlan::make({.bytes = bytes, .offload = {}});
  BOOST_TEST(plan->count() == 1u);
  BOOST_TEST(segment(*plan, 0) == bytes, per_element());
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

BOOST_AUTO_TEST_CASE(what_is_behind_extension_headers_is_cut_as_its_sender_would_have) {
  for (const auto& [name, headers] : extension_chains()) {
    for (const bool tcp : {true, false}) {
      BOOST_TEST_CONTEXT((tcp ? "TCP behind " : "UDP behind ") << name) {
        const TcpFields fields{.v6 = true, .payload = 3000};
        const Bytes whole = behind(with_open_checksum(packet_of(tcp, fields)), headers);
        const std::size_t start = whole.size() - 3000 - (tcp ? 20 : 8);
        auto expected = sent_one_by_one(tcp, fields);
        for (Bytes& packet : expected) packet = behind(packet, headers);
        check_same(cut_up(whole, at(start, tcp ? Cut::TcpV6 : Cut::Udp, tcp)), expected);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_takes_a_source_route_of_ipv4_is_cut_with_the_checksum_of_its_end) {
  for (const bool tcp : {true, false}) {
    const TcpFields fields{.payload = 3000};
    const Bytes whole = source_routed(with_open_checksum(packet_of(tcp, fields)));
    auto expected = sent_one_by_one(tcp, fields);
    for (Bytes& packet : expected) packet = source_routed(packet);
    check_same(cut_up(whole, at(28, tcp ? Cut::TcpV4 : Cut::Udp, tcp)), expected);
  }
}

BOOST_AUTO_TEST_CASE(an_open_checksum_behind_extension_headers_is_completed) {
  for (const auto& [name, headers] : extension_chains()) {
    for (const bool tcp : {true, false}) {
      BOOST_TEST_CONTEXT((tcp ? "TCP behind " : "UDP behind ") << name) {
        const Bytes packet = packet_of(tcp, {.v6 = true, .payload = 77});
        const Bytes open = behind(with_open_checksum(packet), headers);
        check_same(cut_up(open, at(open.size() - 77 - (tcp ? 20 : 8), Cut::None, tcp)),
                   {behind(packet, headers)});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_checksum_of_zero_is_written_as_ffff_in_udp_alone_whatever_precedes_it) {
  auto chains = extension_chains();
  chains.push_back({.name = "nothing", .headers = {}});
  for (const auto& [name, headers] : chains) {
    for (const bool tcp : {true, false}) {
      for (const Cut kind : {Cut::None, tcp ? Cut::TcpV6 : Cut::Udp}) {
        BOOST_TEST_CONTEXT((tcp ? "TCP" : "UDP")
                           << " behind " << name << (kind == Cut::None ? ", whole" : ", cut")) {
          const Bytes packet =
              with_zero_checksum(packet_of(tcp, {.v6 = true, .payload = kSegmentPayload}));
          const Bytes open = behind(with_open_checksum(packet), headers);
          const std::size_t start = open.size() - kSegmentPayload - (tcp ? 20 : 8);
          check_same(cut_up(open, at(start, kind, tcp)), {behind(packet, headers)});
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_open_udp_checksum_of_zero_within_a_tunnel_of_the_host_is_written_as_ffff) {
  // IPv6 within IPv6, as segment routing's encapsulation leaves it.
  const Bytes inner = with_zero_checksum(udp_packet({.v6 = true, .payload = 200}));
  const auto enclosed = [](const Bytes& packet) {
    Bytes outer = udp_packet({.v6 = true, .payload = packet.size() - 8});
    outer[6] = std::byte{41};
    outer.resize(40);
    outer.insert(outer.end(), packet.begin(), packet.end());
    return outer;
  };
  check_same(cut_up(enclosed(with_open_checksum(inner)), at(80, Cut::None, false)),
             {enclosed(inner)});
}

BOOST_AUTO_TEST_CASE(without_an_open_checksum_the_headers_addresses_are_summed) {
  const TcpFields fields{.v6 = true, .payload = 3000};
  const auto& options = extension_chains()[0].headers;
  auto expected = sent_one_by_one(true, fields);
  for (Bytes& packet : expected) packet = behind(packet, options);
  check_same(cut_up(behind(tcp_packet(fields), options),
                    {.cut = Cut::TcpV6, .segment_payload = kSegmentPayload}),
             expected);
}

BOOST_AUTO_TEST_CASE(extension_headers_that_do_not_lead_to_the_transport_are_refused) {
  const Bytes tcp = with_open_checksum(tcp_packet({.v6 = true, .payload = 3000}));
  const auto& options = extension_chains()[0].headers;
  const Bytes good = behind(tcp, options);
  const Offload offload = at(56, Cut::TcpV6, true);
  const auto refused = [&](Bytes bytes, auto change) {
    Offload changed = offload;
    change(bytes, changed);
    return cut_up(bytes, changed).empty();
  };
  const auto none = [](Bytes&, Offload&) {};
  BOOST_TEST(!refused(good, none));
  BOOST_TEST(refused(good, [](Bytes&, Offload& o) { o.checksum_start = 40; }));
  BOOST_TEST(refused(good, [](Bytes&, Offload& o) { o.checksum_start = 58; }));
  BOOST_TEST(refused(good, [](Bytes&, Offload& o) { o.checksum_offset = 14; }));
  BOOST_TEST(refused(good, [](Bytes&, Offload& o) { o.cut = Cut::Udp; }));
  BOOST_TEST(refused(good, [](Bytes&, Offload& o) { o.cut = Cut::TcpV4; }));
  BOOST_TEST(refused(good, [](Bytes& b, Offload&) { b[40] = std::byte{17}; }), "says UDP");
  BOOST_TEST(refused(good, [](Bytes& b, Offload&) { b[40] = std::byte{59}; }), "nothing follows");
  BOOST_TEST(refused(good, [](Bytes& b, Offload&) { b[41] = std::byte{2}; }), "longer");
  BOOST_TEST(refused(good, [](Bytes& b, Offload&) { b[41] = std::byte{255}; }), "much longer");
  const Bytes fragment = behind(tcp, {{.type = 44, .rest = Bytes(7, std::byte{1})}});
  BOOST_TEST(refused(fragment, [](Bytes&, Offload& o) { o.checksum_start = 48; }));
  // What an authentication header covers must stay as it is.
  BOOST_TEST(refused(behind(tcp, {{.type = 51, .rest = options[0].rest}}), none), "authenticated");
  for (const std::size_t size : {41u, 47u, 48u, 55u, 56u, 75u}) {
    Bytes cut_short(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    store16(cut_short.data() + 4, size - 40);
    BOOST_TEST(refused(cut_short, none), size << " bytes");
  }
  const std::vector<Extension> endless(200, options[0]);
  const Bytes long_chain = behind(tcp, endless);
  BOOST_TEST(refused(long_chain, [](Bytes&, Offload& o) { o.checksum_start = 40 + 200 * 16; }));
}

BOOST_AUTO_TEST_CASE(a_packet_in_pieces_is_cut_like_one_in_one_piece) {
  for (const bool tcp : {true, false}) {
    const Bytes whole = packet_of(tcp, {.payload = 3000});
    const std::size_t headers = whole.size() - 3000;
    const Offload offload = cut(tcp ? Cut::TcpV4 : Cut::Udp, kSegmentPayload);
    const auto expected = cut_up(whole, offload);
    BOOST_TEST_REQUIRE(expected.size() == 3u);
    for (const std::size_t first : {headers, headers + 1, std::size_t{2048}, whole.size()}) {
      for (const std::size_t rest : {1u, 7u, 1280u, 2048u}) {
        BOOST_TEST_CONTEXT("pieces of " << first << " and " << rest << " bytes")
        check_same(cut_up_in_pieces(whole, offload, first, rest), expected);
      }
    }
    BOOST_TEST(cut_up_in_pieces(whole, offload, headers - 1, 2048).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_plain_packet_in_pieces_passes_as_it_is) {
  const Bytes whole = tcp_packet({.payload = 1000});
  for (const std::size_t first : {20u, 21u, 1000u}) {
    check_same(cut_up_in_pieces(whole, {}, first, 33), {whole});
  }
  BOOST_TEST(cut_up_in_pieces(whole, {}, 19, 33).empty());
  Bytes longer_than_its_pieces = whole;
  longer_than_its_pieces.pop_back();
  BOOST_TEST(cut_up_in_pieces(longer_than_its_pieces, {}, 20, 33).empty());
  Bytes padded = whole;  // bytes behind the packet's end are none of it, in whichever piece
  padded.resize(whole.size() + 50);
  check_same(cut_up_in_pieces(padded, {}, 20, 33), {whole});
}
