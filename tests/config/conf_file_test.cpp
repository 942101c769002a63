#include "config/conf_file.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <iterator>

#include "crypto/x25519.hpp"
#include "settings/key_text.hpp"

using namespace wg;
using namespace wg::config;

namespace {

// Of no use to anybody: the bytes 0, 1, 2, … and their public key's place is taken by others.
constexpr const char* kPrivate = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kOne = "HvKFkOqyRDAMQ5TKWQXFPNYDOz8mPTR5BKmpGfXHP24=";
constexpr const char* kTwo = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

ConfFile read(const std::string& text) {
  auto file = parse(text, "wg0.conf");
  if (!file) BOOST_FAIL(file.error().text("wg0.conf"));
  return std::move(*file);
}

std::string peer(const std::string& lines, const char* key = kOne) {
  return std::string("[Peer]\nPublicKey = ") + key + "\n" + lines;
}

std::vector<std::string> allowed_ips(const settings::PeerSettings& of) {
  std::vector<std::string> texts;
  for (const auto& change : of.allowed_ips) {
    texts.push_back((change.withdraw ? "-" : "") + change.prefix.text());
  }
  return texts;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_whole_file) {
  const ConfFile file =
      read(std::string("# a comment\n[Interface]\nPrivateKey = ") + kPrivate +
           "\nListenPort = 51820\nFwMark = 0x1F\nAddress = 10.0.0.1/24, fd00::1/64\n"
           "Address = 192.0.2.7\nDNS = 9.9.9.9, example.org\nMTU = 1380\n"
           "Table = off\nPreUp = echo '#1'\nPostUp = a\nPostUp = b # c\n"
           "PreDown = d\nPostDown = e\nSaveConfig = true\n\n" +
           peer("PresharedKey = " + std::string(kTwo) +
                "\nAllowedIPs = 10.0.0.2/32, fd00::2/128\nAllowedIPs=10.9.1.1/16\n"
                "Endpoint = vpn.example.org:51820\nPersistentKeepalive = 25"));
  const auto& settings = file.settings;
  BOOST_TEST(settings.private_key.has_value());
  BOOST_TEST(settings.listen_port.value() == 51820);
  BOOST_TEST(settings.fwmark.value() == 0x1fu);
  BOOST_TEST(settings.replace_peers);
  BOOST_REQUIRE(settings.peers.size() == 1u);
  const auto& only = settings.peers[0];
  BOOST_TEST(settings::to_base64(only.public_key) == kOne);
  BOOST_TEST(only.preshared_key.has_value());
  BOOST_TEST(only.endpoint.value() == "vpn.example.org:51820");
  BOOST_TEST(only.persistent_keepalive.value() == 25);
  BOOST_TEST(only.replace_allowed_ips);
  const std::vector<std::string> expected{"10.0.0.2/32", "fd00::2/128", "10.9.0.0/16"};
  BOOST_TEST(allowed_ips(only) == expected, boost::test_tools::per_element());
  const auto& host = file.host;
  BOOST_REQUIRE(host.addresses.size() == 3u);
  BOOST_TEST(host.addresses[0].text() == "10.0.0.1/24");
  BOOST_TEST(host.addresses[1].text() == "fd00::1/64");
  BOOST_TEST(host.addresses[2].text() == "192.0.2.7/32");
  BOOST_TEST(host.addresses[2].line == 7u);
  BOOST_REQUIRE(host.dns_servers.size() == 1u);
  BOOST_TEST(host.dns_servers[0] == "9.9.9.9");
  BOOST_REQUIRE(host.search_domains.size() == 1u);
  BOOST_TEST(host.search_domains[0] == "example.org");
  BOOST_TEST(host.mtu.value() == 1380u);
  BOOST_TEST(host.table == "off");
  BOOST_TEST(host.pre_up[0].command == "echo '#1'");  // the shell's comment
  BOOST_TEST(host.post_up[1].command == "b # c");
  BOOST_TEST(host.post_up.size() == 2u);
  BOOST_TEST(host.pre_down[0].command == "d");
  BOOST_TEST(host.post_down[0].line == 15u);
  BOOST_TEST(host.save_config);
  BOOST_TEST(file.warnings.empty());
}

BOOST_AUTO_TEST_CASE(what_either_reader_takes_is_taken) {
  const auto port = [](const std::string& text) {
    return read("[Interface]\n" + text).settings.listen_port.value();
  };
  BOOST_TEST(port("Listen Port = 51 905") == 51905);
  BOOST_TEST(port("LISTENPORT=1") == 1);
  BOOST_TEST(port("ListenPort = domain") == 53);
  BOOST_TEST(port("ListenPort = 1\r\n") == 1);
  BOOST_TEST(port("ListenPort = 1\nListenPort = 2") == 2);
  BOOST_TEST(port("ListenPort = 1 # nothing") == 1);
  BOOST_TEST(port(std::string("Listen\0Port = 1", 15)) == 1);
  BOOST_TEST(read("\xef\xbb\xbf[ interface ]\nFwMark = OFF").settings.fwmark.value() == 0u);
  BOOST_TEST(read("[Interface]\nAddress = 10.0.0.1/255.255.255.0").host.addresses[0].length == 24);
  BOOST_TEST(read("[Interface]\nAddress = , 10.0.0.1,,fe80::1 ,").host.addresses.size() == 2u);
  BOOST_TEST(read("[Interface]\nAddress =").host.addresses.empty());
  BOOST_TEST(read("").settings.peers.empty());
  const auto one =
      read(peer("AllowedIPs = +10.0.0.0/8, -fd00::/8\nPersistentKeepalive = off\n"
                "Endpoint = 2001:db8::1:51820"));
  const auto& with = one.settings.peers[0];
  const std::vector<std::string> expected{"10.0.0.0/8", "-fd00::/8"};
  BOOST_TEST(allowed_ips(with) == expected, boost::test_tools::per_element());
  BOOST_TEST(!with.replace_allowed_ips);
  BOOST_TEST(with.persistent_keepalive.value() == 0);
  BOOST_TEST(with.endpoint.value() == "[2001:db8::1]:51820");
}

BOOST_AUTO_TEST_CASE(what_is_odd_is_told_and_taken) {
  const auto twice = read(peer("AllowedIPs = 10.0.0.0/8\n") + peer("AllowedIPs = 10.1.0.0/16\n"));
  BOOST_TEST(twice.settings.peers.size() == 2u);
  BOOST_REQUIRE(twice.warnings.size() == 1u);
  BOOST_TEST(twice.warnings[0].starts_with("wg0.conf:4: this peer is the one of line 1"));
  crypto::PrivateKey key;
  BOOST_REQUIRE(settings::from_base64(kPrivate, key.bytes()));
  crypto::clamp(key);
  const std::string own = settings::to_base64(crypto::public_key_of(key));
  const auto self =
      read(std::string("[Interface]\nPrivateKey=") + kPrivate + "\n" + peer("", own.c_str()));
  BOOST_REQUIRE(self.warnings.size() == 1u);
  BOOST_TEST(self.warnings[0].contains("own key"));
}

namespace {

struct Broken {
  std::string text;
  const char* place;   // line and column
  const char* word;    // what the message names
  const char* advice;  // what it says to write instead
};

std::string in_interface(const std::string& line) {
  return "[Interface]\n" + line + "\n";
}

const std::string kKeyLine = std::string("PrivateKey = ") + kPrivate;

std::vector<Broken> broken_interfaces() {
  return {
      {std::string("\xff\xfe[\0I\0", 6), "1:1", "UTF-16", "save it as UTF-8"},
      {std::string("\0[\0I", 4), "1:1", "UTF-16", "save it as UTF-8"},
      {"Address = 10.0.0.1", "1:1", "Address", "[Interface] above"},
      {"[Interfaces]", "1:1", "[Interfaces]", "did you mean [Interface]"},
      {"[Peers]", "1:1", "[Peers]", "did you mean [Peer]"},
      {"  [NetDev]", "1:3", "[NetDev]", "systemd-networkd"},
      {"[Other]", "1:1", "[Other]", "there are [Interface] and [Peer]"},
      {in_interface("Address 10.0.0.1"), "2:1", "Address 10.0.0.1", "no '='"},
      {in_interface("; comment"), "2:1", "; comment", "begin with '#'"},
      {in_interface("// a = b"), "2:1", "// a", "begin with '#'"},
      {in_interface("Adress = 10.0.0.1"), "2:1", "Adress", "did you mean Address"},
      {in_interface("PirvateKey = x"), "2:1", "PirvateKey", "did you mean PrivateKey"},
      {in_interface("Jc = 4"), "2:1", "Jc", "AmneziaWG"},
      {in_interface("H1 = 4"), "2:1", "H1", "AmneziaWG"},
      {in_interface("Endpoint = a:1"), "2:1", "Endpoint", "belongs into a [Peer]"},
      {in_interface("PrivateKeyFile = /a"), "2:1", "PrivateKeyFile", "wg set %i private-key"},
      {in_interface("Frobnicate = 1"), "2:1", "Frobnicate", "there are PrivateKey, ListenPort"},
      {in_interface("PrivateKey ="), "2:13", "PrivateKey", "leave the line out"},
      {in_interface("PrivateKey = 12345"), "2:14", "PrivateKey", "5 characters"},
      {in_interface("PrivateKey = <your private key>"), "2:14", "PrivateKey", "genkey"},
      {in_interface("PrivateKey = \"" + std::string(kPrivate) + "\""), "2:14", "PrivateKey",
       "without the quotes"},
      {in_interface(kKeyLine.substr(0, kKeyLine.size() - 1)), "2:14", "PrivateKey",
       "'=' at its end"},
      {in_interface(kKeyLine.substr(0, kKeyLine.size() - 2) + "9="), "2:14", "PrivateKey",
       "base64"},
      {in_interface("PrivateKey = " + std::string(64, 'a')), "2:14", "PrivateKey", "this is hex"},
      {in_interface("ListenPort = 65536"), "2:14", "'65536'", "0…65535"},
      {in_interface("ListenPort = -1"), "2:14", "'-1'", "0…65535"},
      {in_interface("ListenPort = no-such-service"), "2:14", "no-such-service", "0…65535"},
      {in_interface("FwMark = 0X1F"), "2:10", "0X1F", "small x"},
      {in_interface("FwMark = 4294967296"), "2:10", "4294967296", "0…4294967295"},
      {in_interface("Address = 10.0.0.1/33"), "2:11", "10.0.0.1/33", "0…32"},
      {in_interface("Address = fd00::1/129"), "2:11", "fd00::1/129", "0…128"},
      {in_interface("Address = 10.0.0.1/255.0.255.0"), "2:11", "255.0.255.0", "netmask"},
      {in_interface("Address = example.org"), "2:11", "example.org", "names are no addresses"},
      {in_interface("Address = 10.0.0.1/24; fd00::1/64"), "2:11", "10.0.0.1/24;",
       "separated by ','"},
      {in_interface("DNS = 1.2.3"), "2:7", "1.2.3", "addresses of servers"},
      {in_interface("DNS = 2001:zz::1"), "2:7", "2001:zz::1", "addresses of servers"},
      {in_interface("MTU = 12a"), "2:7", "12a", "68…65535"},
      {in_interface("MTU = 67"), "2:7", "67", "68…65535"},
      {in_interface("Table = Off"), "2:9", "Off", "small letters"},
      {in_interface("SaveConfig = yes"), "2:14", "yes", "true or false"},
      {in_interface("PostUp ="), "2:9", "PostUp", "a command"}};
}

std::vector<Broken> broken_peers() {
  return {
      {"[Peer]\nAllowedIPs = 10.0.0.0/8\n", "1:1", "[Peer]", "PublicKey"},
      {"[Peer]\n[Interface]\n", "1:1", "[Peer]", "PublicKey"},
      {"[Peer]\nPublicKey = abc\n", "2:13", "'abc'", "3 characters"},
      {peer("Address = 10.0.0.1"), "3:1", "Address", "belongs into [Interface]"},
      {peer("AllowedIP = 10.0.0.1"), "3:1", "AllowedIP", "did you mean AllowedIPs"},
      {peer("AllowedIPs ="), "3:13", "AllowedIPs", "leave the line out"},
      {peer("AllowedIPs = 10.0.0.0/8,"), "3:14", "AllowedIPs", "is empty"},
      {peer("AllowedIPs = 10.0.0.0/8 fd00::/8"), "3:14", "AllowedIPs", "separated by ','"},
      {peer("AllowedIPs = 10.0.0.0/8, 10.1.0.0/16 fd00::/8"), "3:14", "AllowedIPs",
       "',' is missing"},
      {peer("AllowedIPs = 10.0.0.0/255.0.0.0"), "3:14", "AllowedIPs", "no netmask"},
      {peer("AllowedIPs = 10.0.0.1-10.0.0.9"), "3:14", "AllowedIPs", "range as prefixes"},
      {peer("Endpoint = vpn.example.org"), "3:12", "vpn.example.org", "vpn.example.org:51820"},
      {peer("Endpoint = [2001:db8::1]"), "3:12", "[2001:db8::1]", "behind ']'"},
      {peer("Endpoint = :51820"), "3:12", "':51820'", "host is missing"},
      {peer("Endpoint = udp://a:1"), "3:12", "udp://a:1", "://"},
      {peer("Endpoint = a:1, b:2"), "3:12", "a:1, b:2", "one endpoint"},
      {peer("Endpoint = a:70000"), "3:12", "a:70000", "0…65535"},
      {peer("PersistentKeepalive = 25s"), "3:23", "25s", "without a unit"},
      {peer("PersistentKeepalive = 65536"), "3:23", "65536", "0…65535"},
      {peer("PresharedKey = x"), "3:16", "PresharedKey", "1 characters"},
      {peer("AllowedIPs = 10.0.0.0\xc2\xa0/8"), "3:14", "AllowedIPs", "U+00A0"},
      {peer("Endpoint = \xe2\x80\x9c"
            "a:1"),
       "3:12", "Endpoint", "U+201C"},
  };
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_refused_says_where_and_what_to_write_instead) {
  std::vector<Broken> all = broken_interfaces();
  std::ranges::move(broken_peers(), std::back_inserter(all));
  for (const Broken& broken : all) {
    BOOST_TEST_CONTEXT(broken.text) {
      const auto file = parse(broken.text, "wg0.conf");
      BOOST_REQUIRE(!file.has_value());
      const std::string text = file.error().text("wg0.conf");
      BOOST_TEST(text.starts_with(std::string("wg0.conf:") + broken.place + ": "), text);
      BOOST_TEST(text.contains(broken.word), text);
      BOOST_TEST(text.contains(broken.advice), text);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_secret_is_repeated) {
  for (const char* const key : {"PrivateKey", "PresharedKey"}) {
    const std::string wrong = std::string(key) + " = " + std::string(kPrivate).substr(0, 40);
    const auto file =
        parse(*key == 'P' && key[1] == 'r' && key[2] == 'i' ? in_interface(wrong) : peer(wrong),
              "wg0.conf");
    BOOST_REQUIRE(!file.has_value());
    BOOST_TEST(!file.error().what.contains("AAECAwQF"));
  }
}

BOOST_AUTO_TEST_CASE(a_hundred_thousand_peers) {
  std::string text;
  for (std::uint32_t i = 0; i < 100'000; i++) {
    crypto::PublicKey key{};
    std::memcpy(key.bytes.data(), &i, sizeof i);
    text += peer("AllowedIPs = 10.0.0.0/8\n", settings::to_base64(key).c_str());
  }
  const ConfFile file = read(text);
  BOOST_TEST(file.settings.peers.size() == 100'000u);
  BOOST_TEST(file.warnings.empty());
}
