#include <boost/test/unit_test.hpp>

#include "settings/interface_name.hpp"

using namespace wg::settings;

BOOST_AUTO_TEST_CASE(names_that_the_kernel_takes_are_taken) {
  for (const char* name : {"wg0", "wg%d", "a", "fifteen-bytes-x", "tun.5", "wg_ä"}) {
    BOOST_TEST(!interface_name_error(name).has_value(), name);
  }
}

BOOST_AUTO_TEST_CASE(names_that_it_does_not_take_are_refused_with_the_reason) {
  for (const char* name :
       {"", ".", "..", "sixteen-bytes-xx", "a/b", "a b", "a:b", "wg%s", "wg%", "%d%d", "a\tb"}) {
    BOOST_TEST(interface_name_error(name).has_value(), name);
  }
}
