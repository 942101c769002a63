#include "uapi/settings_parser.hpp"

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <sstream>

using namespace wg;
using namespace wg::uapi;

namespace {

std::expected<settings::Settings, Refusal> parse(const std::string& text) {
  SettingsParser parser([](std::string_view endpoint) -> std::optional<std::string> {
    if (endpoint.starts_with("example.org")) return "it is no address";
    return std::nullopt;
  });
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) parser.line(line);
  return parser.finish();
}

const std::string kKey(64, 'a');
const std::string kPeer = "public_key=" + std::string(64, 'b') + "\n";

}  // namespace

BOOST_AUTO_TEST_CASE(every_key_is_taken) {
  const auto settings =
      parse("private_key=" + kKey + "\nlisten_port=65535\nfwmark=4294967295\nreplace_peers=true\n" +
            kPeer + "preshared_key=" + kKey +
            "\nendpoint=[::1]:5\npersistent_keepalive_interval=25\nreplace_allowed_ips=true\n"
            "allowed_ip=10.0.0.1/8\nallowed_ip=-fd00::/8\nprotocol_version=1\nupdate_only=true\n" +
            kPeer + "remove=true\n");
  BOOST_REQUIRE(settings.has_value());
  BOOST_TEST(settings->private_key.has_value());
  BOOST_TEST(settings->listen_port.value() == 65535u);
  BOOST_TEST(settings->fwmark.value() == 4294967295u);
  BOOST_TEST(settings->replace_peers);
  BOOST_REQUIRE(settings->peers.size() == 2u);
  const auto& peer = settings->peers[0];
  BOOST_TEST(peer.preshared_key.has_value());
  BOOST_TEST(*peer.endpoint == "[::1]:5");
  BOOST_TEST(peer.persistent_keepalive.value() == 25u);
  BOOST_TEST(peer.replace_allowed_ips);
  BOOST_TEST(peer.update_only);
  BOOST_REQUIRE(peer.allowed_ips.size() == 2u);
  BOOST_TEST(peer.allowed_ips[0].prefix.text() == "10.0.0.0/8");
  BOOST_TEST(peer.allowed_ips[1].withdraw);
  BOOST_TEST(settings->peers[1].remove);
}

BOOST_AUTO_TEST_CASE(bad_values_are_refused_with_key_line_and_errno) {
  const std::vector<std::pair<std::string, int>> cases{
      {"private_key=12\n", EINVAL},
      {"private_key=" + std::string(64, 'g') + "\n", EINVAL},
      {"listen_port=65536\n", EINVAL},
      {"listen_port=-1\n", EINVAL},
      {"listen_port=\n", EINVAL},
      {"listen_port=1 \n", EINVAL},
      {"fwmark=0x10\n", EINVAL},
      {"fwmark=4294967296\n", EINVAL},
      {"replace_peers=false\n", EINVAL},
      {"nonsense=1\n", EINVAL},
      {"allowed_ip=10.0.0.0/8\n", EINVAL},  // a peer's key before any peer
      {"nonsense\n", EPROTO},
      {"=\n", EINVAL},
      {"public_key=00\n", EINVAL},
      {kPeer + "listen_port=1\n", EINVAL},  // the interface's key behind a peer
      {kPeer + "remove=1\n", EINVAL},
      {kPeer + "update_only=false\n", EINVAL},
      {kPeer + "replace_allowed_ips=yes\n", EINVAL},
      {kPeer + "preshared_key=zz\n", EINVAL},
      {kPeer + "endpoint=example.org:1\n", EINVAL},
      {kPeer + "persistent_keepalive_interval=65536\n", EINVAL},
      {kPeer + "persistent_keepalive_interval=off\n", EINVAL},
      {kPeer + "allowed_ip=10.0.0.0/33\n", EINVAL},
      {kPeer + "allowed_ip=10.0.0.0\n", EINVAL},  // as wireguard-go has it
      {kPeer + "allowed_ip=-fd00::1\n", EINVAL},
      {kPeer + "protocol_version=2\n", EINVAL},
  };
  for (const auto& [text, error] : cases) {
    const auto settings = parse(text);
    BOOST_REQUIRE_MESSAGE(!settings.has_value(), text);
    BOOST_TEST(settings.error().error == error, text);
    const bool second_line = text.starts_with(kPeer);
    BOOST_TEST(settings.error().text.find(second_line ? "line 3" : "line 2") != std::string::npos,
               settings.error().text);
  }
}

BOOST_AUTO_TEST_CASE(what_was_sent_is_never_in_an_error) {
  const std::string secret = "5ec4e7" + std::string(59, '0');  // one digit too long
  const std::string base64 = "YWJjNWVjNGU3YWJjNWVjNGU3YWJjNWVjNGU3YWJjNWU=";
  for (const std::string& line :
       {"private_key=" + secret, "listen_port=" + secret, "fwmark=" + secret,
        "replace_peers=" + secret, "public_key=" + secret, secret, secret + "=1", base64,
        kPeer + "preshared_key=" + secret, kPeer + "endpoint=example.org" + secret,
        kPeer + "allowed_ip=" + secret, kPeer + "protocol_version=" + secret,
        kPeer + "persistent_keepalive_interval=" + secret, kPeer + "remove=" + secret,
        kPeer + secret + "=1", kPeer + base64}) {
    const auto settings = parse(line + "\n");
    BOOST_REQUIRE_MESSAGE(!settings.has_value(), line);
    for (const char* piece : {"5ec4e7", "YWJjNW"}) {
      BOOST_TEST(settings.error().text.find(piece) == std::string::npos, settings.error().text);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_word_before_the_equals_sign_is_in_the_error) {
  BOOST_TEST(parse("listen_prot=1\n").error().text.find("'listen_prot'") != std::string::npos);
  BOOST_TEST(parse("Listen Port=1\n").error().text.find("Listen") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_first_error_counts) {
  BOOST_TEST(parse("listen_port=x\nnonsense\n").error().error == EINVAL);
}

BOOST_AUTO_TEST_CASE(zeroes_remove_and_an_empty_mark_clears) {
  const auto settings = parse("private_key=" + std::string(64, '0') + "\nfwmark=\nlisten_port=0\n");
  BOOST_TEST(settings->private_key->is_zero());
  BOOST_TEST(settings->fwmark.value() == 0u);
  BOOST_TEST(settings->listen_port.value() == 0u);
}
