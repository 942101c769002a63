#include "conn/endpoint.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg::conn;

BOOST_AUTO_TEST_CASE(endpoints_survive_the_way_to_text_and_back) {
  for (const char* text :
       {"1.2.3.4:5", "255.255.255.255:65535", "[::1]:51820", "[fe80::1%lo]:7", "[2001:db8::1]:0"}) {
    const auto endpoint = Endpoint::parse(text);
    BOOST_REQUIRE_MESSAGE(endpoint.has_value(), text);
    BOOST_TEST(endpoint->text() == text);
    BOOST_TEST(endpoint->known());
  }
  BOOST_TEST(Endpoint::parse("[fe80::1%1]:7")->text() == "[fe80::1%lo]:7");
  BOOST_TEST(!Endpoint().known());
}

BOOST_AUTO_TEST_CASE(what_is_no_endpoint_is_refused_with_the_reason) {
  for (const char* text :
       {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3:5", "::1:5", "[::1]5",
        "[1.2.3.4]:5", "example.org:5", "[fe80::1%nosuchif]:5", "1.2.3.4:5 ", " 1.2.3.4:5",
        "[::1%]:5", "[fe80::1%0]:5"}) {
    const auto endpoint = Endpoint::parse(text);
    BOOST_TEST(!endpoint.has_value(), text);
    if (!endpoint) BOOST_TEST(!endpoint.error().empty());
  }
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"1.2.3.4\0x:5"sv, "[::1\0x]:5"sv, "[fe80::1%lo\0x]:5"sv, "1.2.3.4:5\0"sv}) {
    BOOST_TEST(!Endpoint::parse(text).has_value());
  }
  BOOST_TEST(!Endpoint::parse_vsock("0.0.0.2\0x:5"sv).has_value());
}

BOOST_AUTO_TEST_CASE(a_cookies_identity_is_address_and_port) {
  const auto one = Endpoint::parse("10.0.0.1:1000")->identity();
  const auto two = Endpoint::parse("10.0.0.1:1001")->identity();
  BOOST_TEST(one.size == 6u);
  BOOST_TEST(!std::ranges::equal(one.view(), two.view()));
  BOOST_TEST(Endpoint::parse("[::1]:1")->identity().size == 18u);
}

BOOST_AUTO_TEST_CASE(sources_are_counted_by_address_and_by_64_bit_prefix) {
  const auto key = [](const char* text) { return Endpoint::parse(text)->rate_key(); };
  BOOST_TEST(key("10.0.0.1:1") == key("10.0.0.1:2"));
  BOOST_TEST(key("10.0.0.1:1") != key("10.0.0.2:1"));
  BOOST_TEST(key("[2001:db8::1]:1") == key("[2001:db8::ffff:1]:2"));
  BOOST_TEST(key("[2001:db8::1]:1") != key("[2001:db8:0:1::1]:1"));
}

BOOST_AUTO_TEST_CASE(the_source_is_no_part_of_who_somebody_is) {
  auto plain = *Endpoint::parse("10.0.0.1:1");
  auto with_source = plain;
  with_source.set_source({.address = in_addr{0x0100007f}});
  BOOST_TEST(plain == with_source);
  BOOST_TEST(!plain.identical(with_source));
  with_source.clear_source();
  BOOST_TEST(plain.identical(with_source));
}

BOOST_AUTO_TEST_CASE(vsock_endpoints_in_both_forms) {
  for (const auto& [text, native, wg] :
       {std::tuple("0.0.0.2:8172", "host(2):8172", "0.0.0.2:8172"),
        std::tuple("host(2):8172", "host(2):8172", "0.0.0.2:8172"),
        std::tuple("0.0.0.6:51820", "vm(6):51820", "0.0.0.6:51820"),
        std::tuple("local(1):1", "local(1):1", "0.0.0.1:1"),
        std::tuple("hypervisor(0):65535", "hypervisor(0):65535", "0.0.0.0:65535"),
        std::tuple("vm(16909060):7", "vm(16909060):7", "1.2.3.4:7")}) {
    const auto endpoint = Endpoint::parse_vsock(text);
    BOOST_REQUIRE_MESSAGE(endpoint.has_value(), text);
    BOOST_TEST(endpoint->text() == native);
    BOOST_TEST(endpoint->wg_text().value() == wg);
    BOOST_TEST(*endpoint == *Endpoint::parse_vsock(endpoint->text()));
  }
  const auto large = Endpoint::parse_vsock("vm(3):4294967295");
  BOOST_REQUIRE(large.has_value());
  BOOST_TEST(large->text() == "vm(3):4294967295");
  BOOST_TEST(!large->wg_text().has_value());  // wg(8) has no words for it
  BOOST_TEST(large->identity().size == 8u);
  for (const char* text : {"", "host(2)", "host(2):", "host(3):1", "vm(2):1", "vm(1):1", "vm():1",
                           "vm(4294967296):1", "vm(3):4294967296", "vm(-3):1", "vm(3:1", "(3):1",
                           "host:1", "[::1]:5", "0.0.0:1", "example.org:1"}) {
    const auto endpoint = Endpoint::parse_vsock(text);
    BOOST_TEST(!endpoint.has_value(), text);
    if (!endpoint) BOOST_TEST(!endpoint.error().empty());
  }
}

BOOST_AUTO_TEST_CASE(the_connection_is_no_part_of_who_somebody_is) {
  const auto plain = *Endpoint::parse("10.0.0.1:1");
  auto connected = plain;
  connected.set_connection({.number = 7, .accepted = true});
  BOOST_TEST(plain == connected);
  BOOST_TEST(!plain.identical(connected));
}
