#include "uapi/state_parser.hpp"

#include <boost/test/unit_test.hpp>
#include <cerrno>

#include "tests/bytes.hpp"
#include "uapi/state_writer.hpp"

using namespace wg;
using namespace wg::uapi;

namespace {

std::string text_of(const DeviceState& state) {
  crypto::SecretText text;
  append(text, state.interface);
  for (const auto& peer : state.peers) append(text, peer);
  return std::string(text.view());
}

DeviceState example() {
  DeviceState state;
  state.interface.private_key.emplace().bytes()[0] = std::byte{1};
  state.interface.listen_port = 51820;
  state.interface.fwmark = 4294967295;
  auto& full = state.peers.emplace_back();
  full.public_key.bytes.fill(std::byte{0xab});
  full.preshared_key.bytes()[31] = std::byte{9};
  full.endpoint = "[fe80::1%1]:5";
  full.last_handshake = std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(9);
  full.tx_bytes = UINT64_MAX;
  full.rx_bytes = 22;
  full.persistent_keepalive = 65535;
  full.allowed_ips = {*settings::Prefix::parse("10.0.0.0/8"), *settings::Prefix::parse("::/0")};
  state.peers.emplace_back().public_key.bytes.fill(std::byte{0xcd});
  return state;
}

const std::string kPeer = "public_key=" + std::string(64, 'b') + "\n";

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_written_is_parsed_as_the_same) {
  for (const DeviceState& state : {example(), DeviceState()}) {
    const auto parsed = parse_state(text_of(state));
    BOOST_REQUIRE(parsed.has_value());
    BOOST_TEST((*parsed == state));
    BOOST_TEST(text_of(*parsed) == text_of(state));
  }
}

BOOST_AUTO_TEST_CASE(words_of_another_version_are_passed_over) {
  const auto parsed = parse_state("novelty=1\n" + kPeer + "novelty=2\nrx_bytes=3\nlisten_port=x\n");
  BOOST_REQUIRE(parsed.has_value());
  BOOST_TEST(parsed->peers.at(0).rx_bytes == 3u);
}

BOOST_AUTO_TEST_CASE(a_value_that_makes_no_sense_is_an_error_that_names_its_word_only) {
  for (const std::string line :
       {"private_key=5ec4e7", "listen_port=5ec4e7", "fwmark=5ec4e7", "public_key=5ec4e7"}) {
    const auto parsed = parse_state(line + "\n");
    BOOST_REQUIRE_MESSAGE(!parsed.has_value(), line);
    const std::string& text = parsed.error().text();
    BOOST_TEST(text.find(line.substr(0, line.find('='))) != std::string::npos, text);
    BOOST_TEST(text.find("5ec4e7") == std::string::npos, text);
  }
  for (const char* line :
       {"preshared_key=0", "protocol_version=2", "last_handshake_time_sec=-1",
        "last_handshake_time_sec=9223372036854775807", "last_handshake_time_nsec=1000000000",
        "tx_bytes=-1", "rx_bytes=18446744073709551616", "persistent_keepalive_interval=65536",
        "allowed_ip=10.0.0.0", "allowed_ip=-10.0.0.0/8", "no equals sign", ""}) {
    BOOST_TEST(!parse_state(kPeer + line + "\n").has_value(), line);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_ends_with_its_errno) {
  BOOST_TEST(*body_of("listen_port=1\nerrno=0\n\n") == "listen_port=1\n");
  BOOST_TEST(*body_of("errno=0\n\n") == "");
  BOOST_TEST(body_of("listen_port=1\nerrno=-98\n\n").error().code().value() == EADDRINUSE);
  for (const char* answer :
       {"", "\n\n", "listen_port=1\n\n", "errno=\n\n", "errno=x\n\n", "errno=-2147483648\n\n"}) {
    BOOST_TEST(!body_of(answer).has_value(), answer);
  }
}
