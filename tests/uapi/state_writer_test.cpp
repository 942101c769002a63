#include "uapi/state_writer.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg;

BOOST_AUTO_TEST_CASE(a_peer_is_written_in_the_order_that_wg_expects) {
  settings::PeerState peer;
  peer.public_key.bytes.fill(std::byte{0xab});
  peer.endpoint = "1.2.3.4:5";
  peer.last_handshake = std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(9);
  peer.tx_bytes = 11;
  peer.rx_bytes = 22;
  peer.persistent_keepalive = 25;
  peer.allowed_ips = {*settings::Prefix::parse("10.0.0.0/8"), *settings::Prefix::parse("fd00::/8")};
  crypto::SecretText text;
  uapi::append(text, peer);
  std::string key;
  for (int i = 0; i < 32; i++) key += "ab";
  BOOST_TEST(text.view() == "public_key=" + key + "\npreshared_key=" + std::string(64, '0') +
                                "\nprotocol_version=1\nendpoint=1.2.3.4:5\n"
                                "last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=9\n"
                                "tx_bytes=11\nrx_bytes=22\npersistent_keepalive_interval=25\n"
                                "allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n");
}

BOOST_AUTO_TEST_CASE(an_interface_shows_only_what_is_set) {
  crypto::SecretText text;
  uapi::append(text, settings::InterfaceState{});
  BOOST_TEST(text.empty());
  settings::InterfaceState state;
  state.private_key.emplace();
  state.private_key->bytes()[0] = std::byte{1};
  state.listen_port = 51820;
  state.fwmark = 7;
  uapi::append(text, state);
  BOOST_TEST(text.view() ==
             "private_key=01" + std::string(62, '0') + "\nlisten_port=51820\nfwmark=7\n");
}
