#include "tun/joiner.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/printing.hpp"
#include "tests/tun/packets.hpp"
#include "tun/segment_plan.hpp"

using namespace wg::tun;
using namespace wg::test;

namespace {

/// Collects what the joiner writes, as super-packets and cut again as the kernel would.
class Collector final : public Joiner::Sink {
 public:
  void write(std::span<const iovec> pieces, const Offload& offload,
             std::size_t packets) noexcept override {
    Bytes whole;
    for (const iovec& piece : pieces) {
      const auto* const data = static_cast<const std::byte*>(piece.iov_base);
      whole.insert(whole.end(), data, data + piece.iov_len);
    }
    counts.push_back(packets);
    const auto plan = SegmentPlan::make({.bytes = whole, .offload = offload});
    BOOST_REQUIRE(plan.has_value());
    BOOST_TEST(plan->count() == packets);
    for (std::size_t i = 0; i < plan->count(); i++) {
      Bytes segment(plan->size(i));
      plan->write(i, segment.data());
      cut_again.push_back(segment);
    }
  }
  std::vector<std::size_t> counts;
  std::vector<Bytes> cut_again;
};

struct Joined {
  Collector sink;
  std::vector<Bytes> packets;
  Joiner joiner{sink, true, true};

  explicit Joined(std::vector<Bytes> given) : packets(given) {
    for (Bytes& packet : given) joiner.add(InnerPacket::parse(packet).value());
    joiner.flush();
  }
};

/// `count` segments of one TCP stream.
std::vector<Bytes> stream(TcpFields fields, std::size_t count) {
  std::vector<Bytes> packets;
  for (std::size_t i = 0; i < count; i++) {
    packets.push_back(tcp_packet(fields));
    fields.sequence += static_cast<std::uint32_t>(fields.payload);
    fields.id++;
  }
  return packets;
}

using Counts = std::vector<std::size_t>;

}  // namespace

BOOST_AUTO_TEST_CASE(neighbours_of_a_tcp_stream_become_one_and_can_be_cut_into_the_same_again) {
  for (const bool v6 : {false, true}) {
    for (const bool dont_fragment : {false, true}) {
      auto packets = stream({.v6 = v6, .dont_fragment = dont_fragment, .payload = 1000}, 20);
      TcpFields last{.v6 = v6,
                     .sequence = 100 + 20 * 1000,
                     .flags = 0x18,
                     .id = 60,
                     .dont_fragment = dont_fragment,
                     .payload = 300};
      packets.push_back(tcp_packet(last));
      const Joined joined(packets);
      BOOST_TEST(joined.sink.counts == Counts{21}, per_element());
      BOOST_TEST(joined.sink.cut_again == packets, per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(datagrams_of_a_udp_flow_become_one) {
  for (const bool v6 : {false, true}) {
    std::vector<Bytes> packets;
    for (std::uint16_t i = 0; i < 10; i++) {
      packets.push_back(udp_packet({.v6 = v6,
                                    .id = static_cast<std::uint16_t>(40 + i),
                                    .payload = i < 9 ? 500u : 20u,
                                    .fill = static_cast<std::byte>(i)}));
    }
    const Joined joined(packets);
    BOOST_TEST(joined.sink.counts == Counts{10}, per_element());
    BOOST_TEST(joined.sink.cut_again == packets, per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_gap_or_a_repetition_in_the_sequence_is_not_joined_over) {
  auto packets = stream({.payload = 100}, 4);
  std::swap(packets[1], packets[2]);
  const Joined joined(packets);
  BOOST_TEST(joined.sink.counts == (Counts{1, 1, 1, 1}), per_element());
  BOOST_TEST(joined.sink.cut_again == packets, per_element());
}

BOOST_AUTO_TEST_CASE(what_differs_in_a_header_is_not_joined) {
  const TcpFields first{.payload = 100};
  TcpFields second = first;
  second.sequence += 100;
  second.id++;
  const auto differs = [&](auto change) {
    TcpFields changed = second;
    change(changed);
    return Joined({tcp_packet(first), tcp_packet(changed)}).sink.counts == Counts{1, 1};
  };
  BOOST_TEST(!differs([](TcpFields&) {}));
  BOOST_TEST(differs([](TcpFields& f) { f.ttl--; }));
  BOOST_TEST(differs([](TcpFields& f) { f.traffic_class = 4; }));
  BOOST_TEST(differs([](TcpFields& f) { f.acknowledgement++; }));
  BOOST_TEST(differs([](TcpFields& f) { f.window++; }));
  BOOST_TEST(differs([](TcpFields& f) { f.source_port++; }));
  BOOST_TEST(differs([](TcpFields& f) { f.destination_host++; }));
  BOOST_TEST(differs([](TcpFields& f) { f.dont_fragment = false; }));
  BOOST_TEST(differs([](TcpFields& f) { f.options = Bytes(4, std::byte{1}); }));
  BOOST_TEST(differs([](TcpFields& f) { f.payload = 101; }));  // longer than the first
  for (const int flags : {0x00, 0x02, 0x04, 0x11, 0x12, 0x30, 0x50, 0x90}) {
    BOOST_TEST(differs([&](TcpFields& f) { f.flags = static_cast<std::uint8_t>(flags); }),
               "flags " << flags);
  }
  BOOST_TEST(differs([](TcpFields& f) { f.payload = 0; }));
}

BOOST_AUTO_TEST_CASE(without_df_the_ids_must_count_up) {
  TcpFields first{.dont_fragment = false, .payload = 100};
  TcpFields second = first;
  second.sequence += 100;
  BOOST_TEST(Joined({tcp_packet(first), tcp_packet(second)}).sink.counts == (Counts{1, 1}),
             per_element());
  second.id++;
  BOOST_TEST(Joined({tcp_packet(first), tcp_packet(second)}).sink.counts == Counts{2},
             per_element());
}

BOOST_AUTO_TEST_CASE(nothing_is_joined_behind_a_push_or_a_shorter_payload) {
  auto packets = stream({.payload = 100}, 3);
  packets[1] = tcp_packet({.sequence = 200, .flags = 0x18, .id = 41, .payload = 100});
  BOOST_TEST(Joined(packets).sink.counts == (Counts{2, 1}), per_element());
  packets[1] = tcp_packet({.sequence = 200, .id = 41, .payload = 60});
  packets[2] = tcp_packet({.sequence = 260, .id = 42, .payload = 60});
  BOOST_TEST(Joined(packets).sink.counts == (Counts{2, 1}), per_element());
}

BOOST_AUTO_TEST_CASE(a_wrong_checksum_is_never_laundered_by_joining) {
  for (const std::size_t bad : {0u, 1u, 2u}) {
    for (const std::size_t byte : {10u, 37u, 90u}) {  // IP checksum, TCP checksum, payload
      auto packets = stream({.payload = 100}, 3);
      packets[bad][byte] ^= std::byte{0x10};
      const Joined joined(packets);
      BOOST_TEST_INFO("packet " << bad << ", byte " << byte);
      BOOST_TEST(joined.sink.cut_again == packets, per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(flows_are_joined_side_by_side_and_stay_in_order) {
  const auto one = stream({.source_port = 1, .payload = 100}, 3);
  const auto two = stream({.source_port = 2, .payload = 100}, 3);
  const Joined joined({one[0], two[0], one[1], two[1], one[2], two[2]});
  BOOST_TEST(joined.sink.counts == (Counts{3, 3}), per_element());
}

BOOST_AUTO_TEST_CASE(what_cannot_be_told_apart_from_a_flow_does_not_overtake_it) {
  const auto first_fragment = [](Bytes packet) {
    packet[6] = std::byte{0x20};
    return packet;
  };
  const auto later_fragment = [](Bytes packet) {
    packet[7] = std::byte{0x10};
    return packet;
  };
  const auto of_protocol = [](Bytes packet, std::uint8_t protocol) {
    packet[(packet[0] >> 4) == std::byte{6} ? 6 : 9] = std::byte{protocol};
    return packet;
  };
  struct Row {
    const char* what;
    bool v6;
    Bytes packet;
  };
  std::vector<Row> rows{
      {"a first fragment", false, first_fragment(tcp_packet({}))},
      {"a later fragment", false, later_fragment(udp_packet({}))},
      {"ICMP", false, icmp_packet(1, 2, 10)},
      {"ESP", false, of_protocol(udp_packet({}), 50)},
      {"TCP cut short", false, of_protocol(udp_packet({.payload = 2}), 6)},
      {"IPv4 options", false, source_routed(icmp_packet(1, 2, 10))},
      {"an IPv6 fragment", true,
       behind(udp_packet({.v6 = true}), {{.type = 44, .rest = Bytes(7, std::byte{1})}})},
      {"ICMPv6", true, of_protocol(udp_packet({.v6 = true}), 58)},
  };
  rows[5].packet[19] = std::byte{2};
  for (const auto& [name, headers] : extension_chains()) {
    rows.push_back({name, true, behind(tcp_packet({.v6 = true}), headers)});
    rows.back().packet[39] = std::byte{2};  // at the end of its source route
  }
  for (const auto& [what, v6, packet] : rows) {
    BOOST_TEST_CONTEXT(what) {
      const auto tcp = stream({.v6 = v6, .payload = 100}, 4);
      const Joined joined({tcp[0], tcp[1], packet, tcp[2], tcp[3]});
      BOOST_TEST(joined.sink.counts == (Counts{2, 1, 2}), per_element());
      BOOST_TEST(joined.sink.cut_again == joined.packets, per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_goes_between_other_addresses_leaves_open_joins_open) {
  for (const bool v6 : {false, true}) {
    const auto tcp = stream({.v6 = v6, .payload = 100}, 3);
    for (const std::uint8_t other : {std::uint8_t{3}, std::uint8_t{4}}) {
      // From another host, to another host, and the way back.
      for (const auto& [from, to] :
           {std::pair{other, std::uint8_t{2}}, std::pair{std::uint8_t{1}, other},
            std::pair{std::uint8_t{2}, std::uint8_t{1}}}) {
        const Bytes between =
            v6 ? behind(tcp_packet({.v6 = true, .source_host = from, .destination_host = to}),
                        extension_chains()[0].headers)
               : icmp_packet(from, to, 10);
        BOOST_TEST(Joined({tcp[0], tcp[1], between, tcp[2]}).sink.counts == (Counts{1, 3}),
                   per_element());
      }
    }
  }
  // The first addresses of IPv6 may hold the bytes of IPv4's.
  const auto v4 = stream({.payload = 100}, 2);
  Bytes v6 = behind(tcp_packet({.v6 = true}), extension_chains()[0].headers);
  std::copy_n(v4[0].begin() + 12, 8, v6.begin() + 12);
  BOOST_TEST(Joined({v4[0], v6, v4[1]}).sink.counts == (Counts{1, 2}), per_element());
}

BOOST_AUTO_TEST_CASE(a_packet_with_ip_options_is_written_behind_those_of_its_flow) {
  auto tcp = stream({.payload = 100}, 3);
  tcp[1] = source_routed(tcp[1]);
  tcp[1][19] = std::byte{2};  // at the end of its route
  const Joined joined(tcp);
  BOOST_TEST(joined.sink.counts == (Counts{1, 1, 1}), per_element());
  BOOST_TEST(joined.sink.cut_again == tcp, per_element());
}

BOOST_AUTO_TEST_CASE(a_packet_that_cannot_be_joined_is_written_behind_those_of_its_flow) {
  auto packets = stream({.payload = 100}, 2);
  packets.push_back(tcp_packet({.sequence = 300, .flags = 0x11, .id = 42, .payload = 0}));  // FIN
  const Joined joined(packets);
  BOOST_TEST(joined.sink.counts == (Counts{2, 1}), per_element());
  BOOST_TEST(joined.sink.cut_again == packets, per_element());
}

BOOST_AUTO_TEST_CASE(more_flows_than_can_be_open_at_once_lose_nothing) {
  std::vector<Bytes> packets;
  for (std::uint32_t round = 0; round < 3; round++) {
    for (std::uint16_t port = 0; port < 20; port++) {
      packets.push_back(tcp_packet({.source_port = port,
                                    .sequence = 100 + 50 * round,
                                    .id = static_cast<std::uint16_t>(round),
                                    .payload = 50}));
    }
  }
  const Joined joined(packets);
  std::size_t all = 0;
  for (const std::size_t count : joined.sink.counts) all += count;
  BOOST_TEST(all == packets.size());
}

BOOST_AUTO_TEST_CASE(a_super_packet_never_exceeds_64_kib_nor_64_segments) {
  const Joined large(stream({.payload = 1400}, 60));
  BOOST_TEST(large.sink.counts == (Counts{46, 14}), per_element());
  const Joined many(stream({.payload = 10}, 100));
  BOOST_TEST(many.sink.counts == (Counts{64, 36}), per_element());
}

BOOST_AUTO_TEST_CASE(without_offloads_everything_is_written_alone) {
  Collector sink;
  Joiner joiner(sink, false, false);
  auto packets = stream({.payload = 100}, 3);
  for (Bytes& packet : packets) joiner.add(InnerPacket::parse(packet).value());
  joiner.flush();
  BOOST_TEST(sink.counts == (Counts{1, 1, 1}), per_element());
}

BOOST_AUTO_TEST_CASE(a_udp_packet_without_a_checksum_or_with_a_wrong_length_is_written_alone) {
  std::vector<Bytes> packets(3, udp_packet({.payload = 100}));
  for (Bytes& packet : packets) packet[26] = packet[27] = std::byte{0};
  BOOST_TEST(Joined(packets).sink.counts == (Counts{1, 1, 1}), per_element());
}
