// The bounds on connections that have not authenticated. Over a real bind: stream_bounds_test.cpp.
#include "conn/unauthenticated.hpp"

#include <boost/test/unit_test.hpp>

using namespace wg;
using namespace wg::conn;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_quarter_of_the_descriptors_is_for_those_who_have_not_authenticated) {
  struct Row {
    rlim_t limit;
    std::size_t connections;
    std::size_t of_one_source;
  };
  for (const Row& row : {Row{0, 1, 1}, Row{64, 16, 16}, Row{1024, 256, 64}, Row{4096, 1024, 64},
                         Row{1 << 20, 1024, 64}, Row{RLIM_INFINITY, 1024, 64}}) {
    const auto bounds = UnauthenticatedBounds::with_descriptors(row.limit);
    BOOST_TEST_CONTEXT("limit " << row.limit) {
      BOOST_TEST(bounds.connections == row.connections);
      BOOST_TEST(bounds.of_one_source == row.of_one_source);
      BOOST_CHECK(bounds.time == 10s);
    }
  }
}
