// What is written down of a change, and what networks are to a route.
#include "commands/undo.hpp"

#include <boost/test/unit_test.hpp>

#include "netlink/host.hpp"

using namespace wg;
using namespace wg::commands;

BOOST_AUTO_TEST_CASE(an_undo_says_what_a_shell_command_would) {
  BOOST_TEST(text_of(undo_link("wg0")) == "ip link delete wg0");
  BOOST_TEST(text_of(undo_nft_table("ip6", "wg-quick-wg0")) == "nft delete table ip6 wg-quick-wg0");
  const netlink::Rule rule{.v6 = true,
                           .priority = 32765,
                           .table = 51820,
                           .mark = 51820,
                           .inverted = true,
                           .suppress_prefix_length = std::nullopt};
  BOOST_TEST(text_of(undo_rule(rule)).contains("-6 rule delete priority 32765 table 51820"));
}

BOOST_AUTO_TEST_CASE(what_a_record_of_another_version_says_is_refused_by_its_name) {
  for (const Undo& undo :
       {Undo{.kind = "frobnicate", .words = {}}, Undo{.kind = "link", .words = {"wg0", "more"}}}) {
    const auto undone = perform(undo, "wg0");
    BOOST_REQUIRE(!undone.has_value());
    BOOST_TEST(undone.error().text().contains(undo.kind));
  }
}

BOOST_AUTO_TEST_CASE(a_network_is_shortened_to_those_that_contain_it) {
  netlink::Network network{.v6 = false, .length = 32};
  network.address[0] = std::byte{10};
  network.address[1] = std::byte{0xff};
  const netlink::Network nine = network.shortened(9);
  BOOST_TEST(nine.length == 9);
  BOOST_CHECK(nine.address[1] == std::byte{0x80});
  BOOST_CHECK(nine.shortened(0).address[0] == std::byte{0});
  BOOST_TEST(nine.shortened(20).length == 9);
}

BOOST_AUTO_TEST_CASE(a_new_rule_goes_in_front_of_all_but_the_first) {
  const auto rules = [](std::initializer_list<std::uint32_t> priorities) {
    std::vector<netlink::Rule> all;
    for (const std::uint32_t priority : priorities) all.push_back({.priority = priority});
    return all;
  };
  BOOST_TEST(netlink::next_priority(rules({0, 32766, 32767})) == 32765u);
  BOOST_TEST(netlink::next_priority(rules({0, 100, 32766})) == 99u);
  BOOST_TEST(netlink::next_priority(rules({0})) == 0u);
}
