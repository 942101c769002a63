#include "settings/fields.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/printing.hpp"

using namespace wg;
using namespace wg::settings;
using wg::test::per_element;

BOOST_AUTO_TEST_CASE(a_name_stands_in_one_row) {
  std::set<std::string_view> uapi;
  std::set<std::string_view> conf;
  const auto look = [&](const auto& rows) {
    for (const auto& row : rows) {
      BOOST_TEST(uapi.insert(row.uapi).second, row.uapi);
      if (!row.conf.name.empty()) BOOST_TEST(conf.insert(row.conf.name).second, row.conf.name);
    }
  };
  look(interface_fields());
  look(peer_fields());
  const std::set<std::string_view> names{"PrivateKey", "ListenPort",         "FwMark",
                                         "PublicKey",  "PresharedKey",       "Endpoint",
                                         "AllowedIPs", "PersistentKeepalive"};
  BOOST_TEST(conf == names, per_element());
}

BOOST_AUTO_TEST_CASE(a_row_is_found_by_its_name_over_uapi) {
  BOOST_REQUIRE(interface_field("fwmark") != nullptr);
  BOOST_TEST(interface_field("fwmark")->conf.name == "FwMark");
  BOOST_TEST(interface_field_in_conf("fwMARK") == interface_field("fwmark"));
  BOOST_TEST(peer_field_in_conf("") == nullptr);
  BOOST_REQUIRE(peer_field("allowed_ip") != nullptr);
  BOOST_TEST(peer_field("fwmark") == nullptr);
  BOOST_TEST(interface_field("") == nullptr);
}

BOOST_AUTO_TEST_CASE(what_is_written_can_be_parsed_and_what_a_file_has_can_be_set) {
  const auto look = [](const auto& rows) {
    for (const auto& row : rows) {
      BOOST_TEST((row.write == nullptr) == (row.parse == nullptr), row.uapi);
      BOOST_TEST((row.set != nullptr || row.conf.name.empty()), row.uapi);
      BOOST_TEST(!row.expected.empty(), row.uapi);
    }
  };
  look(interface_fields());
  look(peer_fields());
}

BOOST_AUTO_TEST_CASE(the_two_halves_of_a_time_come_in_either_order) {
  for (const bool seconds_first : {false, true}) {
    PeerState state;
    const PeerField* const halves[] = {peer_field("last_handshake_time_sec"),
                                       peer_field("last_handshake_time_nsec")};
    BOOST_TEST(halves[seconds_first ? 0 : 1]->parse(state, "7"));
    BOOST_TEST(halves[seconds_first ? 1 : 0]->parse(state, "7"));
    BOOST_TEST(state.last_handshake.count() == 7'000'000'007);
  }
}
