#include "settings/prefix.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg::settings;

BOOST_AUTO_TEST_CASE(host_bits_are_masked) {
  BOOST_TEST(Prefix::parse("10.1.2.3/8")->text() == "10.0.0.0/8");
  BOOST_TEST(Prefix::parse("10.255.2.3/9")->text() == "10.128.0.0/9");
  BOOST_TEST(Prefix::parse("fd12:3456::1/16")->text() == "fd12::/16");
  BOOST_TEST(Prefix::parse("1.2.3.4/0")->text() == "0.0.0.0/0");
  BOOST_TEST(Prefix::parse("1.2.3.4/32")->text() == "1.2.3.4/32");
}

BOOST_AUTO_TEST_CASE(an_address_alone_is_one_host) {
  BOOST_TEST(Prefix::parse("10.0.0.1")->text() == "10.0.0.1/32");
  BOOST_TEST(Prefix::parse("::1")->text() == "::1/128");
}

BOOST_AUTO_TEST_CASE(where_the_length_must_be_said_an_address_alone_is_refused) {
  BOOST_TEST(Prefix::parse_with_length("10.1.2.3/8")->text() == "10.0.0.0/8");
  BOOST_TEST(!Prefix::parse_with_length("10.0.0.1").has_value());
  BOOST_TEST(!Prefix::parse_with_length("::1").has_value());
}

BOOST_AUTO_TEST_CASE(what_is_no_prefix_is_refused) {
  for (const char* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0/8",
        "10.0.0.0/8x", "10.0.0.0 /8", "a.b.c.d/8", "::g/8", "10.0.0.0/8/8"}) {
    BOOST_TEST(!Prefix::parse(text).has_value(), text);
  }
  using namespace std::string_view_literals;
  for (const std::string_view text : {"10.0.0.0\0/8"sv, "10.0.0.0\0x"sv, "::\0x/8"sv}) {
    BOOST_TEST(!Prefix::parse(text).has_value());
  }
}
