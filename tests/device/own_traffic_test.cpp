#include "device/own_traffic.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/tun/packets.hpp"

using namespace wg;
using namespace wg::device;
using namespace wg::test;

namespace {

bool is_ours(OwnTraffic& own, Bytes packet) {
  return own.is_ours(tun::InnerPacket::parse(packet).value());
}

}  // namespace

BOOST_AUTO_TEST_CASE(only_udp_from_our_port_to_an_endpoint_in_use_is_ours) {
  OwnTraffic own;
  const auto endpoint = *conn::Endpoint::parse("10.0.0.3:2000");
  const Bytes message = udp_packet({.source_host = 1, .destination_host = 2});
  const auto packet = tun::InnerPacket::parse(const_cast<Bytes&>(message)).value();
  const auto ports = packet.bytes().subspan(packet.header_size());
  own.set_port(tun::load16(ports.data()));
  const auto to =
      *conn::Endpoint::parse("10.0.0.2:" + std::to_string(tun::load16(ports.data() + 2)));
  BOOST_TEST(!is_ours(own, message));  // nobody is reached there
  own.moved({}, to);
  BOOST_TEST(is_ours(own, message));
  own.moved({}, to);  // another peer behind the same address
  own.moved(to, endpoint);
  BOOST_TEST(is_ours(own, message));
  own.moved(to, {});
  BOOST_TEST(!is_ours(own, message));
  own.moved({}, to);
  own.set_port(static_cast<std::uint16_t>(tun::load16(ports.data()) + 1));
  BOOST_TEST(!is_ours(own, message));
  own.set_port(0);
  BOOST_TEST(!is_ours(own, message));
  BOOST_TEST(!is_ours(own, tcp_packet({})));
  BOOST_TEST(!is_ours(own, icmp_packet(1, 2, 3)));
}
