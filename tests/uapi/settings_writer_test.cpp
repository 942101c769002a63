#include "uapi/settings_writer.hpp"

#include <boost/test/unit_test.hpp>

#include "uapi/settings_parser.hpp"

using namespace wg;
using namespace wg::uapi;

BOOST_AUTO_TEST_CASE(what_is_written_is_what_was_read) {
  const std::string key(64, 'a');
  const std::string other = "0" + std::string(63, 'b');
  const std::string lines = "private_key=" + key +
                            "\nlisten_port=51820\nfwmark=7\nreplace_peers=true\n" +
                            "public_key=" + key + "\npreshared_key=" + other +
                            "\nendpoint=192.0.2.1:7\npersistent_keepalive_interval=25\n"
                            "replace_allowed_ips=true\nallowed_ip=10.0.0.0/8\n"
                            "public_key=" +
                            other + "\nremove=true\n" + "public_key=" + other +
                            "\nupdate_only=true\nallowed_ip=-fd00::/8\n";
  SettingsParser parser([](std::string_view) { return std::nullopt; });
  for (std::string_view left = lines; !left.empty(); left.remove_prefix(left.find('\n') + 1)) {
    parser.line(left.substr(0, left.find('\n')));
  }
  const auto settings = parser.finish();
  BOOST_REQUIRE(settings.has_value());
  crypto::SecretText text;
  append(text, *settings);
  BOOST_TEST(text.view() == lines);
}
